#pragma once
// Dropout whose mask is a function of one number: nothing is kept of it for the backward pass.
#include <torch/torch.h>

#include <cstdint>

namespace usam::nn {

// Which elements a call drops. Element i is dropped when a hash of (seed, i) lies below `share` of its range, so that
// the mask depends on neither threads nor instruction set.
struct DropoutDraw {
  uint64_t seed = 0;
  double share = 0;  // in [0, 1]
};

// A draw from torch's default CPU generator, which a step seeds (src/tensor/rng.h).
DropoutDraw draw_dropout(double share);

// x where the draw keeps it, divided by (1 - share), and 0 elsewhere; of the gradient of that the same. Contiguous fp32
// on the CPU; makes no graph.
torch::Tensor apply_dropout(const torch::Tensor& x, const DropoutDraw& draw);

// As torch::dropout, which it is for other devices and types than fp32 on the CPU. x itself outside of training.
torch::Tensor dropout(const torch::Tensor& x, double share, bool is_training);

}  // namespace usam::nn
