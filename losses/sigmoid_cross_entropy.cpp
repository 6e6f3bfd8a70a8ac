#include "losses/sigmoid_cross_entropy.h"

#include "losses/full_precision.h"

namespace usam::losses {

Term sigmoid_cross_entropy(const torch::Tensor& logits_BC, const torch::Tensor& targets_BC) {
  const FullPrecision guard;
  const auto sum = at::binary_cross_entropy_with_logits(logits_BC.to(torch::kFloat), targets_BC.to(torch::kFloat), {},
                                                        {}, at::Reduction::Sum);
  return {"bce", sum / static_cast<double>(logits_BC.size(1)), "samples"};
}

}  // namespace usam::losses
