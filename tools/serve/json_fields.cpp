#include "tools/serve/json_fields.h"

#include "src/base/error.h"
#include "tools/serve/api_error.h"

namespace usam::serve {
namespace {

constexpr size_t kLongestText = 65536;

}  // namespace

Json parse_body(const std::string& content_type, const std::string& body) {
  if (!content_type.starts_with("application/json"))
    bad_request("", "The body must be application/json, not '{}'.", content_type.substr(0, 100));
  Json json;
  try {
    json = parse_json(body, "body");
  } catch (const UserError& e) {
    std::string reason = e.what();  // "body: the file is not ...", or "body: the JSON is ..."
    reason = reason.substr(reason.find(": ") + 2);
    if (reason.starts_with("the file ")) reason.replace(0, 8, "it");
    bad_request("", "The body cannot be used: {}.", reason);
  }
  if (!json.is_object()) bad_request("", "The body must be a JSON object.");
  return json;
}

double as_number(const std::string& name, const Json& value) {
  if (!value.is_number()) bad_request(name, "'{}' must be a number.", name);
  return value.get<double>();
}

int64_t as_integer(const std::string& name, const Json& value) {
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX))
    bad_request(name, "'{}' must be a whole number.", name);
  return value.get<int64_t>();
}

bool as_flag(const std::string& name, const Json& value) {
  if (!value.is_boolean()) bad_request(name, "'{}' must be true or false.", name);
  return value.get<bool>();
}

std::string as_text(const std::string& name, const Json& value) {
  if (!value.is_string()) bad_request(name, "'{}' must be a text.", name);
  auto string = value.get<std::string>();
  if (string.size() > kLongestText) bad_request(name, "'{}' is longer than {} bytes.", name, kLongestText);
  return string;
}

const Json& member(const std::string& name, const Json& object, const char* key) {
  if (!object.is_object()) bad_request(name, "'{}' must be an object.", name);
  const auto found = object.find(key);
  if (found == object.end()) bad_request(name, "'{}' has no '{}'.", name, key);
  return *found;
}

}  // namespace usam::serve
