#pragma once
// What a Split pre-tokenizer looks for. The patterns of GPT-2, Llama 3 and Qwen 2 are written out by hand, and give
// what the regular expressions give; any other regular expression runs in PCRE2.
#include <cstddef>
#include <memory>
#include <string_view>

#include "src/text/tokenizer_spec.h"

namespace usam::text {

inline constexpr std::string_view kGpt2Split =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Span {
  size_t begin = 0, end = 0;
};

class SplitPattern {
 public:
  virtual ~SplitPattern() = default;
  // Finds the first match at or after byte `from` of valid UTF-8; a match is never empty. Thread-safe. Throws UserError
  // where a regular expression takes too many steps.
  virtual bool find(std::string_view text, size_t from, Span& match) const = 0;
};

// Throws UserError for a regular expression that is malformed, too long or matches an empty text.
std::unique_ptr<const SplitPattern> make_split_pattern(const SplitStep& step);

// The same through PCRE2, whatever the expression is.
std::unique_ptr<const SplitPattern> make_regex_pattern(std::string_view regex);

}  // namespace usam::text
