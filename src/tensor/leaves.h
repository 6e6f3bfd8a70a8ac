#pragma once
#include <torch/torch.h>

#include <vector>

namespace usam {

// The leaves that require a gradient and that a tensor's graph leads to, each once, in no particular order.
std::vector<torch::Tensor> leaves_of(const torch::Tensor& tensor);

}  // namespace usam
