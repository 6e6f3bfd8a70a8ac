#pragma once
#include <torch/torch.h>

namespace usam {

// Zeros that take memory of a processor only where they are written: large ones come from the system as they are, which
// gives pages of zeros at the first touch. Those of torch take theirs at once, and are cleared twice; even
// torch::empty's do in part where the system has large pages, since the allocator's notes lie between the tensors.
torch::Tensor untouched_zeros(at::IntArrayRef sizes, const torch::TensorOptions& options = {});
// The bytes of those that live and that torch's allocator knows nothing of, written or not.
int64_t untouched_bytes();

}  // namespace usam
