#pragma once
#include <string>
#include <string_view>

namespace usam::text {

// Spelled-out English numbers as digits, the way Whisper's English normaliser writes them ("twenty five dollars and ten
// cents" -> "$25.10", "nineteen eighty four" -> "1984", "one oh one" -> "101"; a lone "1" is written "one").
// Expects lower-case text without punctuation other than . % and currency signs; digits of other scripts
// than 0-9 are words like any other.
std::string numbers_as_digits(std::string_view text);

}  // namespace usam::text
