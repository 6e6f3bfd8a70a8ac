#pragma once
#include "losses/loss.h"
#include "src/base/config.h"

namespace usam::losses {

struct CrossEntropyConfig {
  double weight = 1;
};
void describe(Fields& f, CrossEntropyConfig& c);

// Term `ce`: the sum over supervised positions of -log p(target), in fp32 whatever autocast says; counted by "tokens".
// logits (N, V) of the supervised positions only, targets (N) int64; N may be 0.
Term cross_entropy(const torch::Tensor& logits_NV, const torch::Tensor& targets_N, const CrossEntropyConfig& config);

}  // namespace usam::losses
