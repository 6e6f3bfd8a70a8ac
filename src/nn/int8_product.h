#pragma once
// Products of int8 codes on processors whose instructions torch has no product for. R rows, C columns, O outputs.
#include "src/nn/quantise.h"

namespace usam::nn {

// Whether this processor is one of them: x86 with AVX2 and without AVX512-VNNI, where torch's `_int_mm` is a plain loop
// that takes 30 times as long as a product in fp32. Tests set it, where AVX2 is there.
bool& prefers_own_int8_product();

// (R, O) fp32: what torch's integer product and scale_sums make of the same on such a processor. Sums are exact.
// b may be undefined. The weight's codes may be a transposed view, which takes no longer.
torch::Tensor int8_product(const Int8Rows& x, const Int8Rows& weight, const torch::Tensor& bias_O);

}  // namespace usam::nn
