// Regular expressions of tokenizer files, written for Oniguruma, run by PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "src/base/error.h"
#include "src/text/json_node.h"
#include "src/text/split_pattern.h"

namespace usam::text {
namespace {

constexpr size_t kMaxPattern = 4096;
constexpr uint32_t kMatchLimit = 10'000'000;  // steps for one word
constexpr size_t kJitStack = size_t{1} << 20;

PCRE2_SPTR units(std::string_view text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

std::string message(int code) {
  std::array<PCRE2_UCHAR, 256> text;
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

// Whether options begin here that hold for what follows, not for a group of their own.
bool is_open_option(std::string_view regex) {
  if (!regex.starts_with("(?")) return false;
  const auto end = regex.find_first_not_of("imx-", 2);
  return end != 2 && end != std::string_view::npos && regex[end] == ')';
}

// The same expression in PCRE2's terms, where the two differ: \s and \w are Unicode's, and \p{Han} is the script of a
// character rather than any script that it is used in.
std::string for_pcre(std::string_view regex) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < regex.size(); ++i) {
    const char c = regex[i];
    if (c != '\\' || i + 1 == regex.size()) {
      if (c == '[' && in_class) user_error("nested character classes and '[:names:]' are not supported");
      if (!in_class && regex.substr(i).starts_with("{,")) user_error("'{{,' is not supported");
      if (!in_class && i > 0 && is_open_option(regex.substr(i)))
        user_error("options like '(?i)' are supported at the beginning alone, elsewhere as '(?i:...)'");
      if (c == '&' && in_class && regex.substr(i).starts_with("&&")) user_error("'&&' is not supported");
      in_class = in_class ? c != ']' : c == '[';
      out += c;
      continue;
    }
    const char next = regex[++i];
    const std::string word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
    if (std::string_view("hHRXyYKWvQE").find(next) != std::string_view::npos)
      user_error("'\\{}' is not supported", next);
    if (next == 's' || next == 'S') {
      out += next == 's' ? "\\p{White_Space}" : "\\P{White_Space}";
    } else if (next == 'w') {
      out += in_class ? word : "[" + word + "]";
    } else if ((next == 'p' || next == 'P') && regex.substr(i).size() > 4 && regex[i + 1] == '{' &&
               regex[i + 4] != '}' && regex[i + 3] != '}') {
      out += fmt::format("\\{}{{sc:", next);
      ++i;
    } else {
      out += '\\';
      out += next;
    }
  }
  return out;
}

struct Freer {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Freer>;

// What a match writes to; one for each thread.
struct Workspace {
  Owned<pcre2_match_data> data{pcre2_match_data_create(1, nullptr)};
  Owned<pcre2_match_context> context{pcre2_match_context_create(nullptr)};
  Owned<pcre2_jit_stack> stack{pcre2_jit_stack_create(size_t{32} << 10, kJitStack, nullptr)};
  Workspace() {
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), 64 << 10);  // KiB
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

class RegexPattern final : public SplitPattern {
 public:
  explicit RegexPattern(std::string_view regex) {
    if (regex.size() > kMaxPattern) user_error("the regular expression is longer than {} bytes", kMaxPattern);
    const std::string pattern = for_pcre(regex);
    int error = 0;
    PCRE2_SIZE at = 0;
    code_.reset(pcre2_compile(units(pattern), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &at, nullptr));
    if (!code_) user_error("the regular expression '{}' is not understood ({})", shown(regex), message(error));
    uint32_t matches_empty = 0;
    pcre2_pattern_info(code_.get(), PCRE2_INFO_MATCHEMPTY, &matches_empty);
    if (matches_empty) user_error("the regular expression '{}' matches nothing at all as well", shown(regex));
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // faster where the machine has it; matching works without
  }

  bool find(std::string_view text, size_t from, Span& match) const override {
    thread_local Workspace work;
    const int found = pcre2_match(code_.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK, work.data.get(),
                                  work.context.get());
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0)
      user_error("A text cannot be cut into words by the tokenizer's regular expression: {}.", message(found));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(work.data.get());
    match = {range[0], range[1]};
    if (match.end <= match.begin) user_error("The tokenizer's regular expression cuts a text at nothing at all.");
    return true;
  }

 private:
  Owned<pcre2_code> code_;
};

}  // namespace

std::unique_ptr<const SplitPattern> make_regex_pattern(std::string_view regex) {
  return std::make_unique<RegexPattern>(regex);
}

}  // namespace usam::text
