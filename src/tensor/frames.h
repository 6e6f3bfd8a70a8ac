#pragma once
#include <torch/torch.h>

#include <vector>

#include "src/tensor/to_device.h"

namespace usam {

// lengths (B) int64 -> bool mask (B, size) that is true in the first `lengths[b]` columns of row b.
inline torch::Tensor length_mask(const torch::Tensor& lengths_B, int64_t size) {
  return torch::arange(size, lengths_B.options()).unsqueeze(0) < lengths_B.unsqueeze(1);
}
// The same on a device.
inline torch::Tensor length_mask(const torch::Tensor& lengths_B, int64_t size, torch::Device device) {
  return length_mask(to_device(lengths_B, device), size);
}

// A stream of vectors in time; the valid frames of a row come first. B batch, T frames, D width.
struct Frames {
  torch::Tensor x_BTD;
  torch::Tensor lengths_B;  // int64, valid frames of each row; in host memory, wherever x is
  double hz = 0;            // frames a second

  // (B, T), bool, where x is.
  torch::Tensor valid_BT() const { return length_mask(lengths_B, x_BTD.size(1), x_BTD.device()); }
};

std::vector<int64_t> to_vector(const torch::Tensor& lengths_B);  // int64, a host copy

// Where the valid entries of rows stand in the flattened (B x size): (N) int64, from lengths in host memory to where
// they are needed.
torch::Tensor valid_places(const torch::Tensor& lengths_B, int64_t size, torch::Device device);

}  // namespace usam
