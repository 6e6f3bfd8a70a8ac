#pragma once
// Products with few rows, as in decoding, where reading the weight is the work. O outputs, I inputs.
#include "src/nn/weight_store.h"

namespace usam::nn {

// Whether the product below takes these: fp32 rows on a processor, few of them, and a weight in fp32, bfloat16, int8 or
// nf4 (which needs whole vectors of inputs). The caller sees to it that no graph is wanted and autocast is off.
bool can_take_few_rows(const torch::Tensor& x, const StoredWeight& weight);
// x (..., I) -> x W^T + b (..., O), fp32; b is fp32 or undefined. The weight is read once, as it is stored. An output
// does not depend on the other rows, to the bit.
torch::Tensor product_of_few_rows(const torch::Tensor& x, const StoredWeight& weight, const torch::Tensor& bias_O = {});

}  // namespace usam::nn
