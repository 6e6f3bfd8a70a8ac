#include "src/io/png.h"

#include <zlib.h>

#include "src/base/error.h"

namespace usam::io {
namespace {

std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(static_cast<uint32_t>(sum));
}

std::string deflated(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string packed(size, '\0');
  if (compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(raw.data()),
               raw.size()) != Z_OK)
    internal_error("zlib could not compress {} bytes", raw.size());
  packed.resize(size);
  return packed;
}

}  // namespace

std::string encode_png(const torch::Tensor& image) {
  const bool is_grey = image.dim() == 2;
  if (image.scalar_type() != torch::kByte || image.numel() == 0 ||
      !(is_grey || (image.dim() == 3 && image.size(2) == 3)))
    internal_error("a PNG wants a uint8 tensor (height, width) or (height, width, 3) that is not empty");
  const auto pixels = image.to(torch::kCPU).contiguous();
  const size_t row_size = static_cast<size_t>(pixels.size(1)) * (is_grey ? 1 : 3);
  std::string rows;
  for (int64_t y = 0; y < pixels.size(0); ++y) {
    rows += '\0';  // no filter
    rows.append(reinterpret_cast<const char*>(pixels.const_data_ptr<uint8_t>()) + static_cast<size_t>(y) * row_size,
                row_size);
  }
  std::string header =
      big_endian(static_cast<uint32_t>(pixels.size(1))) + big_endian(static_cast<uint32_t>(pixels.size(0)));
  header += {8, static_cast<char>(is_grey ? 0 : 2), 0, 0, 0};  // depth, colour type, compression, filter, interlace
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + chunk("IDAT", deflated(rows)) + chunk("IEND", "");
}

}  // namespace usam::io
