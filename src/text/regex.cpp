#include "src/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "src/base/error.h"

namespace usam::text {
namespace {

std::string message(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

// PCRE2 reports malformed UTF-8 with codes in this range; everything else is our own mistake.
[[noreturn]] void fail(int code) {
  if (code <= PCRE2_ERROR_UTF8_ERR1 && code >= PCRE2_ERROR_UTF8_ERR21)
    user_error("The text is not valid UTF-8 ({}).", message(code));
  internal_error("PCRE2: {}", message(code));
}

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Match = std::unique_ptr<pcre2_match_data, FreeMatch>;

}  // namespace

Regex::Regex(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(units(pattern), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr);
  if (!code) internal_error("the pattern '{}' is malformed at {}: {}", pattern, at, message(error));
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // faster where the machine has it; matching works without
  code_.reset(code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); });
}

std::string Regex::replace(std::string_view text, const std::string& replacement) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const uint32_t options = PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH;
  std::string result(text.size() * 2 + 16, '\0');
  for (;;) {
    PCRE2_SIZE length = result.size();
    const int done = pcre2_substitute(code, units(text), text.size(), 0, options, nullptr, nullptr, units(replacement),
                                      replacement.size(), reinterpret_cast<PCRE2_UCHAR*>(result.data()), &length);
    if (done < 0 && done != PCRE2_ERROR_NOMEMORY) fail(done);
    result.resize(length);  // on overflow: what is needed, the closing zero included
    if (done >= 0) return result;
  }
}

std::vector<Regex::Span> Regex::spans(std::string_view text) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const Match match(pcre2_match_data_create_from_pattern(code, nullptr));
  std::vector<Span> found;
  for (size_t at = 0; at < text.size();) {
    const int count = pcre2_match(code, units(text), text.size(), at, 0, match.get(), nullptr);
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) fail(count);
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
    if (range[1] <= range[0]) internal_error("a pattern to split or search by matched nothing at all");
    found.push_back({range[0], range[1]});
    at = range[1];
  }
  return found;
}

std::vector<std::string> Regex::find_all(std::string_view text) const {
  std::vector<std::string> matches;
  for (const Span& span : spans(text)) matches.emplace_back(text.substr(span.begin, span.end - span.begin));
  return matches;
}

std::vector<std::string> Regex::split(std::string_view text) const {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (const Span& span : spans(text)) {
    parts.emplace_back(text.substr(begin, span.begin - begin));
    begin = span.end;
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

}  // namespace usam::text
