#pragma once
// How a text is written: scripts, capitals, punctuation, characters that nobody sees.
#include <cstdint>
#include <string>
#include <string_view>

namespace usam::text {

// The first word whose letters are of two scripts that no language writes together ("сat" with a Cyrillic "с"), or "".
// Han goes with kana, Hangul and Bopomofo. Valid UTF-8.
std::string mixed_script_word(std::string_view text);

// The first character that has no place in a label, as "U+200B"; or "". Control and format characters (categories Cc
// and Cf, but TAB, newline, the joiners and the soft hyphen), private use, noncharacters and U+FFFD. Valid UTF-8.
std::string unseen_character(std::string_view text);
// The text with a blank for each of those, and no white space at its ends.
std::string without_unseen(std::string_view text);

struct Lettering {
  int64_t points = 0;  // code points
  bool has_capitals = false;
  bool has_punctuation = false;  // . , ; ! ? and their kin at the end of a word or of the text
};
Lettering lettering_of(std::string_view text);

}  // namespace usam::text
