// B samples, T frames, E experts.
#include "losses/load_balance.h"

#include "losses/full_precision.h"
#include "losses/masked.h"

namespace usam::losses {

void describe(Fields& f, LoadBalanceConfig& c) {
  f("weight", c.weight, "weight of the load-balance term; null: 0.01 with projector.top_k, else 0").at_least(0);
}

Term load_balance(const torch::Tensor& probabilities_BTE, const torch::Tensor& chosen_BTE,
                  const torch::Tensor& valid_BT, const LoadBalanceConfig& config) {
  const FullPrecision guard;
  const auto valid_BT1 = valid_BT.unsqueeze(2);
  const auto share_BE = masked_mean(chosen_BTE.to(torch::kFloat), valid_BT1, 1);               // f_e
  const auto probability_BE = masked_mean(probabilities_BTE.to(torch::kFloat), valid_BT1, 1);  // P_e
  const auto frames_B = valid_BT.sum(1);
  const auto experts = static_cast<double>(probabilities_BTE.size(2));
  return {"balance", (frames_B * experts * (share_BE * probability_BE).sum(1)).sum(), "frames",
          config.weight.value_or(0)};
}

}  // namespace usam::losses
