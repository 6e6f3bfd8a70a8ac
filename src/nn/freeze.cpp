#include "src/nn/freeze.h"

#include "src/base/error.h"

namespace usam::nn {

// Greedy, going back to the last '*' on a mismatch: linear in practice, no recursion.
bool matches(std::string_view pattern, std::string_view path) {
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == path[t])) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

int64_t set_trainable(torch::nn::Module& module, const std::vector<std::string>& patterns, bool is_trainable) {
  const auto parameters = module.named_parameters();
  std::vector<bool> is_used(patterns.size(), false);
  int64_t count = 0;
  for (const auto& item : parameters) {
    bool is_matched = false;
    for (size_t i = 0; i < patterns.size(); ++i) {
      if (!matches(patterns[i], item.key())) continue;
      is_matched = is_used[i] = true;
    }
    if (!is_matched) continue;
    item.value().requires_grad_(is_trainable);
    ++count;
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    if (!is_used[i])
      user_error("No parameter's path matches '{}'; paths look like '{}'", patterns[i],
                 parameters.is_empty() ? "" : parameters.front().key());
  }
  return count;
}

}  // namespace usam::nn
