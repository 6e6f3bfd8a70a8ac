#pragma once
// For operators written out in C++ for fp32 on the CPU.
#include <torch/torch.h>

#include <cstring>

#include "src/tensor/widest.h"

namespace usam::nn {

inline constexpr int64_t kCpuGrain = 16384;  // numbers that are worth a thread

// The first `count` of 16 numbers, the others 0.
USAM_INLINE inline void read_lanes(const float* from, int64_t count, Float16Lanes& lanes) {
  if (count == kLanes) {
    std::memcpy(&lanes, from, sizeof(lanes));
    return;
  }
  lanes = Float16Lanes{};
  std::memcpy(&lanes, from, static_cast<size_t>(count) * sizeof(float));
}

// The sum of lanes, by halves. For kernels in widest(), on whose choice it does not depend.
USAM_INLINE inline float sum_of(const Float16Lanes& lanes) {
  Float16Lanes v = lanes;
  v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  return v[0] + v[1];
}

// The inner product of two vectors. For kernels in widest(): sums side by side, which do not depend on its choice.
USAM_INLINE inline float dot(const float* a, const float* b, int64_t count) {
  float parts[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) parts[j] += a[i + j] * b[i + j];
  for (; i < count; ++i) sum += a[i] * b[i];
  return sum + sum_of(*reinterpret_cast<const Float16Lanes*>(parts));
}

// Whether a kernel can read it as it lies.
inline bool is_plain_fp32(const torch::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == torch::kFloat && x.is_contiguous();
}

// Whether an operator on these leaves a node for the backward pass.
template <class... Tensors>
bool makes_graph(const Tensors&... operands) {
  return torch::GradMode::is_enabled() && (operands.requires_grad() || ...);
}

}  // namespace usam::nn
