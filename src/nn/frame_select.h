#pragma once
#include <torch/torch.h>

#include "src/tensor/frames.h"

namespace usam::nn {

// The ceil(share * T_i) highest scores of each row's T_i valid frames, at least one; of equal scores the earlier frame
// is kept. scores (B, T), valid (B, T) bool -> bool (B, T). No gradient.
torch::Tensor mask_from_scores(const torch::Tensor& scores_BT, const torch::Tensor& valid_BT, double share);

// What of its valid frames mask_from_scores() keeps of each row: ceil(share * T_i), at least one. lengths (B) int64 ->
// (B) int64.
torch::Tensor kept_frames(const torch::Tensor& lengths_B, double share);

// Only the kept frames of each row, in their order, as a new stream padded with zeros to the longest row.
// keep (B, T) bool, counts (B) int64 in host memory how many of them there are. `hz` is left as it was: after a
// selection time is no longer uniform.
Frames select_frames(const Frames& frames, const torch::Tensor& keep_BT, const torch::Tensor& counts_B);

}  // namespace usam::nn
