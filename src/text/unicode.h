#pragma once
// Unicode text as the reference normalisers and metrics see it: code points, white space as in Python's str methods.
#include <string>
#include <string_view>
#include <vector>

namespace usam::text {

bool is_valid_utf8(std::string_view text);

// UTF-8 <-> code points. code_points throws UserError for text that is not valid UTF-8.
std::u32string code_points(std::string_view text);
std::string to_utf8(std::u32string_view points);

// Full, locale-independent lower case ("Σ" at a word's end becomes "ς").
std::string lower(std::string_view text);
// Compatibility normal forms: nfkc composes letters and marks, nfkd separates them.
std::string nfkc(std::string_view text);
std::string nfkd(std::string_view text);

// General category Mn: accents and the like that sit on another letter.
bool is_nonspacing_mark(char32_t point);
// General categories M, S and P: marks, symbols and punctuation.
bool is_mark_symbol_or_punctuation(char32_t point);
// What Python's str.isspace() and str.split() take for white space.
bool is_space(char32_t point);

// The text without white space at its ends.
std::string strip(std::string_view text);
// The stretches between white space; none is empty.
std::vector<std::string> split_words(std::string_view text);

}  // namespace usam::text
