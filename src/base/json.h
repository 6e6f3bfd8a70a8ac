#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace usam {

using Json = nlohmann::ordered_json;

// The JSON of a file's text. UserError that names the file where it is none, or nests deeper than any file that usam
// reads: copying and printing a value recurse.
Json parse_json(std::string_view text, const std::string& path);
// The value on one line, without a line feed. Bytes that are not UTF-8 (a path need not be) are written as U+FFFD,
// numbers that JSON cannot hold (NaN, infinity) as null.
std::string to_line(const Json& json);
// The same for readers: indented, with a line feed at the end.
std::string to_lines(const Json& json);

}  // namespace usam
