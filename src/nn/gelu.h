#pragma once
#include <torch/torch.h>

#include "src/nn/fast_exp.h"

namespace usam::nn {

// x * Phi(x), in a form that compilers vectorise: within 2e-7 of |x| + 1 (Abramowitz and Stegun 1964, 7.1.26).
inline float fast_gelu(float x) {
  const float z = (x < 0 ? -x : x) * 0.70710678f;
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float beyond = 0.5f * p * t * fast_exp(-z * z);  // Phi(-|x|)
  return x * (x < 0 ? beyond : 1.0f - beyond);
}

// torch::gelu without approximation; of dense fp32 on a processor by fast_gelu, which, where no graph is made, writes
// over `x`: nobody else may need it.
torch::Tensor gelu(torch::Tensor x);

}  // namespace usam::nn
