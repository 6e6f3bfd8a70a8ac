#include "src/base/wire.h"

namespace usam {

uint64_t from_little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

std::optional<WireField> WireReader::next() {
  if (left_.empty() || !is_whole_) return std::nullopt;
  WireField field;
  const uint64_t key = varint();
  field.number = key >> 3;
  switch (key & 7) {
    case 0:
      field.value = varint();
      break;
    case 1:
      field.fixed = from_little_endian(take(8));
      break;
    case 2:
      field.bytes = take(varint());
      break;
    case 5:
      field.fixed = from_little_endian(take(4));
      break;
    default:
      is_whole_ = false;
  }
  return is_whole_ ? std::optional(field) : std::nullopt;
}

std::string_view WireReader::take(uint64_t size) {
  if (size > left_.size()) {
    is_whole_ = false;
    return {};
  }
  const auto taken = left_.substr(0, size);
  left_.remove_prefix(size);
  return taken;
}

uint64_t WireReader::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = take(1);
    if (byte.empty()) return 0;
    value |= static_cast<uint64_t>(byte[0] & 127) << shift;
    if ((byte[0] & 128) == 0) return value;
  }
  is_whole_ = false;
  return 0;
}

}  // namespace usam
