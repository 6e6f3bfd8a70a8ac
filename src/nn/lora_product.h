#pragma once
#include <torch/torch.h>

#include "src/nn/linear.h"

namespace usam::nn {

// A low-rank update: A (rank, in) and B (out, rank) of one type, which its products are made in (or autocast's).
struct LowRank {
  torch::Tensor a_RI, b_OR;
  double scale = 1;
  double dropout = 0;  // share of its input that is dropped
};

// layer.product(x) + scale * B(A(dropout(x))) for a layer whose weight and bias are frozen, as one operator with a
// backward pass of its own: of x one copy is kept, of the dropout its seed (on the CPU; elsewhere its mask). x (...,
// in).
torch::Tensor lora_product(LinearImpl& layer, const torch::Tensor& x, const LowRank& update);

}  // namespace usam::nn
