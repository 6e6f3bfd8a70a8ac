#pragma once
// N supervised positions, D width of the hidden states, V vocabulary.
#include <functional>

#include "losses/loss.h"
#include "src/base/config.h"

namespace usam::losses {

struct CrossEntropyConfig {
  double weight = 1;
  int64_t logits_mib = 64;  // 0: all logits at once
};
void describe(Fields& f, CrossEntropyConfig& c);

// Term `ce`: the sum over supervised positions of -log p(target), in fp32 whatever autocast says; counted by "tokens".
// logits (N, V) of the supervised positions only, targets (N) int64; N may be 0. `each_N`, where given, becomes the
// summands, without a graph.
Term cross_entropy(const torch::Tensor& logits_NV, const torch::Tensor& targets_N, const CrossEntropyConfig& config,
                   torch::Tensor* each_N = nullptr);

// Hidden states (n, D) -> logits (n, V), row by row; also called with no row at all.
using Head = std::function<torch::Tensor(const torch::Tensor&)>;
// The same of the head's logits, which are there for as many positions at a time as config.logits_mib holds in fp32:
// the gradients, of the hidden states and of what the head trains, are made with them and wait for the backward pass. A
// head that is trained takes the memory of its gradient once more.
Term cross_entropy(const torch::Tensor& hidden_ND, const Head& head, const torch::Tensor& targets_N,
                   const CrossEntropyConfig& config, torch::Tensor* each_N = nullptr);

}  // namespace usam::losses
