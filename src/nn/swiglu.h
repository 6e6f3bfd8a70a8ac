#pragma once
#include <torch/torch.h>

namespace usam::nn {

// silu(gate) * up, element by element (Shazeer 2020, arXiv 2002.05202); both of one shape and type, as is the result.
// Keeps nothing but its operands for the backward pass.
torch::Tensor swiglu(const torch::Tensor& gate, const torch::Tensor& up);

}  // namespace usam::nn
