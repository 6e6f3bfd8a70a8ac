#include "src/base/base64.h"

#include <array>
#include <cstdint>

namespace usam {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int8_t kNone = -1, kSpace = -2;

constexpr std::array<int8_t, 256> values() {
  std::array<int8_t, 256> all{};
  all.fill(kNone);
  for (size_t i = 0; i < kLetters.size(); ++i) all[static_cast<uint8_t>(kLetters[i])] = static_cast<int8_t>(i);
  for (const char c : {' ', '\t', '\r', '\n'}) all[static_cast<uint8_t>(c)] = kSpace;
  return all;
}

}  // namespace

std::optional<std::string> from_base64(std::string_view text) {
  static constexpr auto kValues = values();
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int letters = 0, padding = 0;
  for (const char c : text) {
    const int8_t value = kValues[static_cast<uint8_t>(c)];
    if (value == kSpace) continue;
    if (c == '=' && ++padding <= 2) continue;
    if (value == kNone || padding > 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++letters % 4 == 0) {
      for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(bits >> shift));
      bits = 0;
    }
  }
  const int rest = letters % 4;
  if (rest == 1 || (padding > 0 && (rest + padding) != 4)) return std::nullopt;
  if (rest == 2) bytes.push_back(static_cast<char>(bits >> 4));
  if (rest == 3) bytes.push_back(static_cast<char>(bits >> 10)), bytes.push_back(static_cast<char>(bits >> 2));
  return bytes;
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < count ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += k <= count ? kLetters[bits >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace usam
