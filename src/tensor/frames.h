#pragma once
#include <torch/torch.h>

namespace usam {

// A stream of vectors in time with its mask. B batch, T frames, D width.
struct Frames {
  torch::Tensor x_BTD;
  torch::Tensor valid_BT;  // bool; the valid frames of a row come first
  double hz = 0;           // frames a second

  torch::Tensor lengths_B() const { return valid_BT.sum(1); }
};

// lengths (B) int64 -> bool mask (B, size) that is true in the first `lengths[b]` columns of row b.
inline torch::Tensor length_mask(const torch::Tensor& lengths_B, int64_t size) {
  return torch::arange(size, lengths_B.options()).unsqueeze(0) < lengths_B.unsqueeze(1);
}

}  // namespace usam
