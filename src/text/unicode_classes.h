#pragma once
// What the split patterns of tokenizers ask of a character: \p{L}, \p{N}, \s, or none of them.
#include <cstdint>
#include <memory>

namespace usam::text {

// kLateNumber: numbers of Unicode 17, which the Digits pre-tokenizer of HF's tokenizers knows and its regular
// expressions (Unicode 16) do not.
enum class CharClass : uint8_t { kOther, kLetter, kNumber, kSpace, kLateNumber };

// The class of every code point, made once.
const uint8_t* char_classes();

inline CharClass char_class(const uint8_t* classes, char32_t point) {
  return static_cast<CharClass>(classes[point]);
}

}  // namespace usam::text
