#pragma once
#include <torch/torch.h>

#include <vector>

namespace usam {

// x itself, with every one of `others` an input of its graph: one that x does not depend on gets a gradient of zero,
// whatever it holds, and a data-parallel reducer hears of it. (As adding p.reshape(-1).slice(0, 0, 0).sum() does,
// without filling a tensor of zeros for each.)
torch::Tensor touch(const torch::Tensor& x, const std::vector<torch::Tensor>& others);

}  // namespace usam
