#include "losses/cross_entropy.h"

#include "losses/full_precision.h"

namespace usam::losses {

void describe(Fields& f, CrossEntropyConfig& c) {
  f("weight", c.weight, "weight of the cross-entropy over supervised tokens").at_least(0);
}

Term cross_entropy(const torch::Tensor& logits_NV, const torch::Tensor& targets_N, const CrossEntropyConfig& config) {
  const FullPrecision guard;
  auto sum = at::cross_entropy_loss(logits_NV.to(torch::kFloat), targets_N, {}, at::Reduction::Sum);
  return {"ce", sum, "tokens", config.weight};
}

}  // namespace usam::losses
