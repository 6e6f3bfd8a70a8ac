#pragma once
#include <torch/torch.h>

namespace usam {

// Whether a tensor is without NaN and infinity; one of integers is. On the CPU at the speed of reading it, and without
// memory of its own.
bool all_finite(const torch::Tensor& tensor);

}  // namespace usam
