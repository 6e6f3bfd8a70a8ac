#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace usam {

// A mistake that the user can mend: config, manifest, audio, weights, tokenizer. Programs print its text and exit
// with 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws UserError with a formatted sentence that names the file, key or sample at fault and the remedy.
template <class... Args>
[[noreturn]] void user_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

// Throws std::logic_error: a broken invariant of usam itself, never of its input. Programs exit with 1.
template <class... Args>
[[noreturn]] void internal_error(fmt::format_string<Args...> format, Args&&... args) {
  throw std::logic_error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace usam
