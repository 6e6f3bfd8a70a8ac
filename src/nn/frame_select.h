#pragma once
#include <torch/torch.h>

#include "src/tensor/frames.h"

namespace usam::nn {

// ceil(share * frames), at least 1 where there is a frame at all: how many frames a share keeps.
int64_t kept_frames(double share, int64_t frames);

// The kept_frames(share, T_i) highest scores of each row's valid frames; of equal scores the earlier frame is kept.
// scores (B, T), valid (B, T) bool -> bool (B, T). No gradient.
torch::Tensor mask_from_scores(const torch::Tensor& scores_BT, const torch::Tensor& valid_BT, double share);

// Only the kept frames of each row, in their order, as a new stream padded with zeros to the longest row.
// keep (B, T) bool. `hz` is left as it was: after a selection time is no longer uniform.
Frames select_frames(const Frames& frames, const torch::Tensor& keep_BT);

}  // namespace usam::nn
