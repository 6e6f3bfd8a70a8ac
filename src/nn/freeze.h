#pragma once
#include <torch/torch.h>

#include <string>
#include <string_view>
#include <vector>

namespace usam::nn {

// Whether a parameter path matches a pattern: '*' stands for any characters, dots too, '?' for one; the whole path
// counts.
bool matches(std::string_view pattern, std::string_view path);

// Sets requires_grad of every parameter whose path matches one of the patterns and returns how many these are.
// UserError for a pattern that matches none. "*" is the whole module.
int64_t set_trainable(torch::nn::Module& module, const std::vector<std::string>& patterns, bool is_trainable);

}  // namespace usam::nn
