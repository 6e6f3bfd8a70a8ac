#include "src/base/json.h"

#include "src/base/error.h"

namespace usam {
namespace {

constexpr int kDeepestJson = 64;

}  // namespace

Json parse_json(std::string_view text, const std::string& path) {
  const auto guard = [&path](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepestJson) user_error("{}: the JSON is nested deeper than {} levels", path, kDeepestJson);
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), guard);
  } catch (const Json::parse_error& e) {
    user_error("{}: the file is not valid JSON (at byte {})", path, e.byte);
  } catch (const Json::out_of_range&) {
    user_error("{}: the file holds a number that is too large", path);
  }
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_lines(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace usam
