#pragma once
// Unicode text as the reference normalisers and metrics see it: code points, white space as in Python's str methods.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace usam::text {

bool is_valid_utf8(std::string_view text);
bool is_ascii(std::string_view text);

// Reads the code point at byte `at` of valid UTF-8 and returns how many bytes it has.
inline size_t decode_point(std::string_view text, size_t at, char32_t& point) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) {
    point = first;
    return 1;
  }
  if (first < 0xE0) {
    point = (first & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
    return 2;
  }
  if (first < 0xF0) {
    point = (first & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    return 3;
  }
  point = (first & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
  return 4;
}

// The bytes as UTF-8 with U+FFFD for every ill-formed sequence (its longest part that could begin a character), as
// Rust's from_utf8_lossy and Python's errors="replace" have it.
std::string lossy_utf8(std::string_view bytes);

// UTF-8 <-> code points. code_points throws UserError for text that is not valid UTF-8.
std::u32string code_points(std::string_view text);
std::string to_utf8(std::u32string_view points);
// The text, or where it is longer its first `most` code points and an ellipsis, for messages and drawings.
std::string shortened(const std::string& text, size_t most);

// Full, locale-independent lower case ("Σ" at a word's end becomes "ς").
std::string lower(std::string_view text);
// Compatibility normal forms: nfkc composes letters and marks, nfkd separates them.
std::string nfkc(std::string_view text);
std::string nfkd(std::string_view text);

// Normal forms with the data of Unicode 9, later characters unchanged: what Hugging Face's tokenizers compute.
enum class OldForm { kNfc, kNfd, kNfkc, kNfkd };
std::string normalized_unicode9(OldForm form, std::string_view text);

// What Rust's regular expressions take for \w: letters, marks, decimal digits, connectors and joiners.
bool is_word_character(char32_t point);
// General category Mn: accents and the like that sit on another letter.
bool is_nonspacing_mark(char32_t point);
// General categories M, S and P: marks, symbols and punctuation.
bool is_mark_symbol_or_punctuation(char32_t point);
// What Python's str.isspace() and str.split() take for white space.
bool is_space(char32_t point);

// The text with every `from`, which is not empty, replaced.
std::string replaced(std::string_view text, std::string_view from, std::string_view to);
// The text without white space at its ends.
std::string strip(std::string_view text);
// The stretches between white space; none is empty.
std::vector<std::string> split_words(std::string_view text);

}  // namespace usam::text
