#include "src/text/lettering.h"

#include <fmt/format.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <array>

#include "src/text/unicode.h"

namespace usam::text {
namespace {

// Scripts that are written together count as one.
UScriptCode script_of(char32_t point) {
  UErrorCode error = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(static_cast<UChar32>(point), &error);
  static constexpr std::array kEastAsian = {USCRIPT_HAN, USCRIPT_HIRAGANA, USCRIPT_KATAKANA, USCRIPT_BOPOMOFO,
                                            USCRIPT_HANGUL};
  const bool is_east_asian = std::ranges::find(kEastAsian, script) != kEastAsian.end();
  return is_east_asian ? USCRIPT_HAN : script;
}

// A script that has words between blanks, so that a change of script inside a word says something.
bool tells(UScriptCode script) {
  return script != USCRIPT_COMMON && script != USCRIPT_INHERITED && script != USCRIPT_UNKNOWN && script != USCRIPT_HAN;
}

bool is_unseen(char32_t point) {
  static constexpr std::array<char32_t, 5> kAllowed = {U'\t', U'\n', 0xAD, 0x200C, 0x200D};
  if (std::ranges::find(kAllowed, point) != kAllowed.end()) return false;
  const auto type = u_charType(static_cast<UChar32>(point));
  return type == U_CONTROL_CHAR || type == U_FORMAT_CHAR || type == U_PRIVATE_USE_CHAR ||
         u_hasBinaryProperty(static_cast<UChar32>(point), UCHAR_NONCHARACTER_CODE_POINT) || point == 0xFFFD;
}

template <class Use>
void for_points(std::string_view text, const Use& use) {
  for (size_t at = 0; at < text.size();) {
    char32_t point = 0;
    at += decode_point(text, at, point);
    use(point);
  }
}

}  // namespace

std::string mixed_script_word(std::string_view text) {
  for (const std::string& word : split_words(text)) {
    UScriptCode first = USCRIPT_COMMON;
    bool is_mixed = false;
    for_points(word, [&](char32_t point) {
      if (!u_isalpha(static_cast<UChar32>(point))) {
        first = USCRIPT_COMMON;  // "α-helix" is two
        return;
      }
      const UScriptCode script = script_of(point);
      if (!tells(script)) return;
      is_mixed = is_mixed || (first != USCRIPT_COMMON && script != first);
      first = script;
    });
    if (is_mixed) return word;
  }
  return "";
}

std::string unseen_character(std::string_view text) {
  std::string found;
  for_points(text, [&](char32_t point) {
    if (found.empty() && is_unseen(point)) found = fmt::format("U+{:04X}", static_cast<uint32_t>(point));
  });
  return found;
}

std::string without_unseen(std::string_view text) {
  std::u32string points;
  for_points(text, [&](char32_t point) { points += is_unseen(point) ? U' ' : point; });
  return strip(to_utf8(points));
}

Lettering lettering_of(std::string_view text) {
  Lettering lettering;
  bool after_letter = false;
  for_points(text, [&](char32_t point) {
    const auto c = static_cast<UChar32>(point);
    ++lettering.points;
    lettering.has_capitals = lettering.has_capitals || u_isupper(c);
    lettering.has_punctuation =
        lettering.has_punctuation || (after_letter && u_hasBinaryProperty(c, UCHAR_TERMINAL_PUNCTUATION));
    after_letter = u_isalnum(c) || u_charType(c) == U_NON_SPACING_MARK;
  });
  return lettering;
}

}  // namespace usam::text
