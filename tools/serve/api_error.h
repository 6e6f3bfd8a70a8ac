#pragma once
// What a client did wrong, in the shape that OpenAI's API gives errors.
#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "src/base/json.h"

namespace usam::serve {

// Answered with this HTTP status; what() is a sentence for the client.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, const std::string& message, std::string param = "", std::string code = "")
      : std::runtime_error(message), status_(status), param_(std::move(param)), code_(std::move(code)) {}

  int status() const { return status_; }
  // {"error": {"message", "type", "param", "code"}}
  Json to_json() const;

 private:
  int status_;
  std::string param_, code_;
};

// Throws ApiError 400 about one field of the request ("": about all of it).
template <class... Args>
[[noreturn]] void bad_request(const std::string& param, fmt::format_string<Args...> format, Args&&... args) {
  throw ApiError(400, fmt::format(format, std::forward<Args>(args)...), param);
}

}  // namespace usam::serve
