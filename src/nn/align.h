#pragma once
#include <torch/torch.h>

#include <vector>

#include "src/tensor/frames.h"

namespace usam::nn {

// Linear interpolation in time of each row's valid frames to its own count of frames (torch's F.interpolate with
// align_corners=false, sample by sample), zeros beyond. counts (B) int64 in host memory, size >= every count.
// -> (B, size, D). A row without a valid frame gives zeros. Differentiable.
torch::Tensor align(const Frames& stream, const torch::Tensor& counts_B, int64_t size);

// Streams of any rates brought to one count of frames per row and concatenated over channels, in the order given.
// counts (B) int64 in host memory; `hz` is the rate of the result.
Frames fuse(const std::vector<Frames>& streams, const torch::Tensor& counts_B, double hz);

}  // namespace usam::nn
