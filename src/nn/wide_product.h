#pragma once
// Wide fp32 products on processors where oneDNN's kernels are faster than those that torch takes for fp32: MKL has none
// with 512-bit vectors for processors of other makers than Intel. M rows, I inputs, O outputs.
#include <torch/torch.h>

namespace usam::nn {

// Whether this processor is one of them.
bool prefers_onednn();

// Whether wide_product takes these: plain fp32 on such a processor, so much work that oneDNN's start does not matter,
// and a weight (and bias) that no gradient is wanted of. The caller sees to it that autocast is off.
bool can_take_wide_product(const torch::Tensor& x, const torch::Tensor& weight_OI, const torch::Tensor& bias_O);
// x (..., I) -> x W^T + b (..., O); b may be undefined, W transposed in memory.
torch::Tensor wide_product(const torch::Tensor& x, const torch::Tensor& weight_OI, const torch::Tensor& bias_O);

}  // namespace usam::nn
