#include "tools/serve/api_error.h"

namespace usam::serve {
namespace {

std::string type_of(int status) {
  if (status == 401) return "authentication_error";
  if (status == 429) return "rate_limit_error";
  if (status == 503 || status == 504) return "overloaded_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

}  // namespace

Json ApiError::to_json() const {
  return {{"error",
           {{"message", what()}, {"type", type_of(status_)}, {"param", or_null(param_)}, {"code", or_null(code_)}}}};
}

}  // namespace usam::serve
