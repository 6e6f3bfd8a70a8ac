#include "src/text/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "src/base/error.h"
#include "src/text/unicode_classes.h"

namespace usam::text {
namespace {

// Reads the code point at `at` and moves past it; negative for a malformed sequence.
int32_t next_point(std::string_view text, int32_t& at) {
  UChar32 point = 0;
  U8_NEXT(text.data(), at, static_cast<int32_t>(text.size()), point);
  return point;
}

icu::UnicodeString to_icu(std::string_view text) {
  return icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string from_icu(const icu::UnicodeString& text) {
  std::string utf8;
  return text.toUTF8String(utf8);
}

std::string normalized(const icu::Normalizer2* form, UErrorCode status, std::string_view text) {
  if (U_FAILURE(status)) internal_error("ICU has no normalisation data: {}", u_errorName(status));
  icu::UnicodeString result = form->normalize(to_icu(text), status);
  if (U_FAILURE(status)) internal_error("ICU could not normalise a text: {}", u_errorName(status));
  return from_icu(result);
}

struct ByteRange {
  size_t begin, end;
};

// Byte ranges of the stretches between white space.
std::vector<ByteRange> word_spans(std::string_view text) {
  std::vector<ByteRange> spans;
  bool inside = false;
  for (int32_t at = 0; at < static_cast<int32_t>(text.size());) {
    const auto begin = static_cast<size_t>(at);
    const int32_t point = next_point(text, at);
    const bool space = point >= 0 && is_space(static_cast<char32_t>(point));
    if (!space && !inside) spans.push_back({begin, begin});
    if (!space) spans.back().end = static_cast<size_t>(at);
    inside = !space;
  }
  return spans;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  // ICU counts in 32 bits: longer texts go in parts that end before a character.
  constexpr size_t kPart = size_t{1} << 30;
  while (!text.empty()) {
    size_t part = std::min(kPart, text.size());
    while (part < text.size() && part > kPart - 4 && (text[part] & 0xC0) == 0x80) --part;
    for (int32_t at = 0; at < static_cast<int32_t>(part);)
      if (next_point(text.substr(0, part), at) < 0) return false;
    text.remove_prefix(part);
  }
  return true;
}

bool is_ascii(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  size_t at = 0;
  for (uint64_t eight = 0; at + 8 <= text.size(); at += 8) {
    std::memcpy(&eight, text.data() + at, 8);
    if (eight & kHighBits) return false;
  }
  for (; at < text.size(); ++at)
    if (static_cast<uint8_t>(text[at]) >= 0x80) return false;
  return true;
}

std::string lossy_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  const auto size = static_cast<int32_t>(bytes.size());
  for (int32_t at = 0; at < size;) {
    const int32_t begin = at;
    if (next_point(bytes, at) < 0)
      text += "\uFFFD";
    else
      text.append(bytes.substr(static_cast<size_t>(begin), static_cast<size_t>(at - begin)));
  }
  return text;
}

std::u32string code_points(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  for (int32_t at = 0; at < static_cast<int32_t>(text.size());) {
    const int32_t begin = at;
    const int32_t point = next_point(text, at);
    if (point < 0) user_error("The text is not valid UTF-8 (byte {}).", begin);
    points.push_back(static_cast<char32_t>(point));
  }
  return points;
}

std::string to_utf8(std::u32string_view points) {
  std::string text;
  text.reserve(points.size());
  for (char32_t point : points) {
    char bytes[U8_MAX_LENGTH];
    int32_t length = 0;
    U8_APPEND_UNSAFE(bytes, length, static_cast<UChar32>(point));
    text.append(bytes, static_cast<size_t>(length));
  }
  return text;
}

std::string shortened(const std::string& text, size_t most) {
  const auto points = code_points(text);
  return points.size() <= most ? text : to_utf8(std::u32string_view(points).substr(0, most)) + "…";
}

std::string lower(std::string_view text) {
  return from_icu(to_icu(text).toLower(icu::Locale::getRoot()));
}

std::string nfkc(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFKCInstance(status);
  return normalized(form, status, text);
}

std::string nfkd(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* form = icu::Normalizer2::getNFKDInstance(status);
  return normalized(form, status, text);
}

std::string normalized_unicode9(OldForm form, std::string_view text) {
  // Characters that are newer than Unicode 9 are outside the filter, and neither move nor compose.
  static const auto forms = [] {
    UErrorCode status = U_ZERO_ERROR;
    static const icu::UnicodeSet known = [&status] {
      icu::UnicodeSet set(UNICODE_STRING_SIMPLE("[:age=9.0:]"), status);
      set.freeze();
      return set;
    }();
    const std::array originals = {icu::Normalizer2::getNFCInstance(status), icu::Normalizer2::getNFDInstance(status),
                                  icu::Normalizer2::getNFKCInstance(status), icu::Normalizer2::getNFKDInstance(status)};
    if (U_FAILURE(status)) internal_error("ICU has no normalisation data: {}", u_errorName(status));
    std::array<std::unique_ptr<const icu::Normalizer2>, 4> filtered;
    for (size_t i = 0; i < filtered.size(); ++i)
      filtered[i] = std::make_unique<icu::FilteredNormalizer2>(*originals[i], known);
    return filtered;
  }();
  UErrorCode status = U_ZERO_ERROR;
  std::string result;
  result.reserve(text.size());
  icu::StringByteSink<std::string> sink(&result);
  forms[static_cast<size_t>(form)]->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())),
                                                  sink, nullptr, status);
  if (U_FAILURE(status)) internal_error("ICU could not normalise a text: {}", u_errorName(status));
  return result;
}

bool is_word_character(char32_t point) {
  const auto c = static_cast<UChar32>(point);
  return char_class(char_classes(), point) == CharClass::kLetter || u_isUAlphabetic(c) ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         (U_MASK(u_charType(c)) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool is_nonspacing_mark(char32_t point) {
  return u_charType(static_cast<UChar32>(point)) == U_NON_SPACING_MARK;
}

bool is_mark_symbol_or_punctuation(char32_t point) {
  return (U_MASK(u_charType(static_cast<UChar32>(point))) & (U_GC_M_MASK | U_GC_S_MASK | U_GC_P_MASK)) != 0;
}

bool is_space(char32_t point) {
  return (point >= 0x09 && point <= 0x0D) || (point >= 0x1C && point <= 0x20) || point == 0x85 || point == 0xA0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 ||
         point == 0x202F || point == 0x205F || point == 0x3000;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  for (size_t at = 0; (at = text.find(from, done)) != std::string_view::npos; done = at + from.size()) {
    out += text.substr(done, at - done);
    out += to;
  }
  return out += text.substr(done);
}

std::string strip(std::string_view text) {
  const auto spans = word_spans(text);
  return spans.empty() ? "" : std::string(text.substr(spans.front().begin, spans.back().end - spans.front().begin));
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (const ByteRange& span : word_spans(text)) words.emplace_back(text.substr(span.begin, span.end - span.begin));
  return words;
}

}  // namespace usam::text
