#pragma once
#include "losses/loss.h"

namespace usam::losses {

// Term `bce`: the sum over samples of the mean over their classes of the binary cross-entropy, in fp32 whatever
// autocast says; counted by "samples". logits (B, C), targets (B, C) float, 0 or 1; B may be 0.
Term sigmoid_cross_entropy(const torch::Tensor& logits_BC, const torch::Tensor& targets_BC);

}  // namespace usam::losses
