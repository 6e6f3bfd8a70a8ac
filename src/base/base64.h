#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace usam {

// The bytes of a base64 text (RFC 4648, section 4; white space between the letters is skipped, `=` at the end may be
// missing). Nothing where it is none.
std::optional<std::string> from_base64(std::string_view text);
std::string to_base64(std::string_view bytes);

}  // namespace usam
