#pragma once
#include "losses/loss.h"
#include "src/base/config.h"

namespace usam::losses {

struct LoadBalanceConfig {
  std::optional<double> weight;  // null: as the recipe says
};
void describe(Fields& f, LoadBalanceConfig& c);

// Term `balance`: the sum over samples of T E sum_e f_e P_e, where T are the sample's valid frames, f_e the share of
// them whose top-k holds expert e (no gradient) and P_e their mean router probability; counted by "frames". Perfectly
// even routing of top-k gives k per frame. It is a sum over samples, so it does not depend on how a batch is split.
// Where all experts run it is a constant. probabilities (B, T, E) before top-k, chosen (B, T, E) bool, valid (B, T)
// bool; a weight that is null counts as 0.
Term load_balance(const torch::Tensor& probabilities_BTE, const torch::Tensor& chosen_BTE,
                  const torch::Tensor& valid_BT, const LoadBalanceConfig& config);

}  // namespace usam::losses
