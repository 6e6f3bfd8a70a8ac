#include "data/tar_header.h"

namespace usam::data {
namespace {

constexpr size_t kSizeAt = 124, kSizeBytes = 12, kSumAt = 148, kSumBytes = 8;
constexpr int64_t kLargest = INT64_MAX >> 8;

// Octal digits between blanks, ended by a blank, a NUL or the field's end.
std::optional<int64_t> octal(std::string_view field) {
  size_t at = field.find_first_not_of(' ');
  if (at == std::string_view::npos || field[at] == '\0') return std::nullopt;
  int64_t value = 0;
  for (; at < field.size() && field[at] != ' ' && field[at] != '\0'; ++at) {
    if (field[at] < '0' || field[at] > '7' || value > kLargest) return std::nullopt;
    value = value * 8 + (field[at] - '0');
  }
  return value;
}

std::optional<int64_t> base256(std::string_view field) {
  int64_t value = static_cast<uint8_t>(field[0]) & 0x7F;
  if (value > 0x3F) return std::nullopt;  // negative
  for (const char c : field.substr(1)) {
    if (value > kLargest) return std::nullopt;
    value = value << 8 | static_cast<uint8_t>(c);
  }
  return value;
}

}  // namespace

std::optional<int64_t> tar_member_size(std::string_view block) {
  if (static_cast<int64_t>(block.size()) < kTarBlock) return std::nullopt;
  // Some writers of old summed signed bytes.
  int64_t sum = 0, signed_sum = 0;
  for (size_t i = 0; i < static_cast<size_t>(kTarBlock); ++i) {
    const char c = i >= kSumAt && i < kSumAt + kSumBytes ? ' ' : block[i];
    sum += static_cast<uint8_t>(c);
    signed_sum += static_cast<int8_t>(c);
  }
  const auto told = octal(block.substr(kSumAt, kSumBytes));
  if (!told || (*told != sum && *told != signed_sum)) return std::nullopt;
  const std::string_view size = block.substr(kSizeAt, kSizeBytes);
  return static_cast<uint8_t>(size[0]) & 0x80 ? base256(size) : octal(size);
}

}  // namespace usam::data
