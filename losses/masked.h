#pragma once
// Reductions that see the true positions of their own row only, whatever padding holds. Where a row has no true
// position they give a finite figure and no gradient. `mask` is bool and broadcasts against `x`.
#include <torch/torch.h>

namespace usam::losses {

// Stands for minus infinity; finite, so that a row without a true position gives no NaN, forward or backward.
inline constexpr double kMaskedOut = -1e30;

inline torch::Tensor masked_max(const torch::Tensor& x, const torch::Tensor& mask, int64_t dim) {
  return x.masked_fill(~mask, kMaskedOut).amax(dim);
}

inline torch::Tensor masked_min(const torch::Tensor& x, const torch::Tensor& mask, int64_t dim) {
  return x.masked_fill(~mask, -kMaskedOut).amin(dim);
}

// 0 for a row without a true position.
inline torch::Tensor masked_mean(const torch::Tensor& x, const torch::Tensor& mask, int64_t dim) {
  return x.masked_fill(~mask, 0).sum(dim) / mask.sum(dim).clamp_min(1);
}

// 0 at masked positions, also where all of a row is masked.
inline torch::Tensor masked_softmax(const torch::Tensor& x, const torch::Tensor& mask, int64_t dim) {
  return x.masked_fill(~mask, kMaskedOut).softmax(dim).masked_fill(~mask, 0);
}

}  // namespace usam::losses
