#pragma once
// The values of a request's JSON, each with a name for messages. ApiError 400 where one is of another type.
#include <cstdint>
#include <string>

#include "src/base/json.h"

namespace usam::serve {

// The body as an object of at most 64 levels.
Json parse_body(const std::string& content_type, const std::string& body);

double as_number(const std::string& name, const Json& value);
int64_t as_integer(const std::string& name, const Json& value);
bool as_flag(const std::string& name, const Json& value);
// At most 64 KiB.
std::string as_text(const std::string& name, const Json& value);
const Json& member(const std::string& name, const Json& object, const char* key);

}  // namespace usam::serve
