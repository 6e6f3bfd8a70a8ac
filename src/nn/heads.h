#pragma once
#include <torch/torch.h>

namespace usam::nn {

// (B, T, D) -> (B, heads, T, D / heads), as attention takes queries, keys and values; a view where x's strides allow.
inline torch::Tensor split_heads(const torch::Tensor& x_BTD, int64_t heads) {
  return x_BTD.unflatten(-1, {heads, x_BTD.size(-1) / heads}).transpose(1, 2);
}

}  // namespace usam::nn
