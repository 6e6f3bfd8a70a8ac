#pragma once
// For operators written out in C++ for fp32 on the CPU.
#include <torch/torch.h>

// Before a function: compiles it for several instruction sets and takes the best one that the CPU has when the program
// starts. For plain loops over pointers: a lambda inside is not cloned. Off under the address sanitizer, whose run time
// is not there yet when the choice is made.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define USAM_CPU_CLONES
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define USAM_CPU_CLONES
#endif
#if !defined(USAM_CPU_CLONES)
#if defined(__x86_64__)
#define USAM_CPU_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define USAM_CPU_CLONES
#endif
#endif

namespace usam::nn {

inline constexpr int64_t kCpuGrain = 16384;  // numbers that are worth a thread

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
