#pragma once
// Regular expressions over UTF-8 text (PCRE2; \w, \d, \s, \b and \X know Unicode).
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace usam::text {

class Regex {
 public:
  // Throws std::logic_error when the pattern is malformed: patterns are usam's own, never the user's.
  explicit Regex(const std::string& pattern);

  // The text with every match replaced; ${1} in the replacement is the first group, $$ a dollar sign. Throws UserError
  // for text that is not valid UTF-8, as all below.
  std::string replace(std::string_view text, const std::string& replacement) const;
  // All matches, in order.
  std::vector<std::string> find_all(std::string_view text) const;
  // What stands between the matches; one more than there are matches.
  std::vector<std::string> split(std::string_view text) const;

 private:
  struct Span {
    size_t begin, end;
  };
  std::vector<Span> spans(std::string_view text) const;

  std::shared_ptr<void> code_;  // pcre2_code; shared, so that a Regex can be copied
};

}  // namespace usam::text
