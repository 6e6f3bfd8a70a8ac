#pragma once
#include <torch/torch.h>

namespace usam {

// A copy in host memory, row by row whatever the order of the original, without gradient.
inline torch::Tensor host_copy(const torch::Tensor& tensor) {
  const torch::NoGradGuard no_grad;
  return torch::empty(tensor.sizes(), tensor.options().device(torch::kCPU).requires_grad(false)).copy_(tensor);
}

}  // namespace usam
