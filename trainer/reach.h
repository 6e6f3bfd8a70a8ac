#pragma once
// Which parameters the first step's losses depend on.
#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

#include "src/dist/communicator.h"

namespace usam {

// Collects, over the micro-batches of a step on all ranks, the parameters that a loss reaches. Those that none reaches
// get gradients of zero, so nothing hangs, but nobody meant to train them in vain.
class Reach {
 public:
  explicit Reach(const std::vector<std::pair<std::string, torch::Tensor>>& parameters);
  // Looks at a loss before its backward pass, and returns it.
  const torch::Tensor& see(const torch::Tensor& loss);
  // The names of those that no loss has reached on any rank. Every rank calls it.
  std::vector<std::string> unreached(dist::Communicator& ranks) const;

 private:
  std::vector<std::pair<std::string, torch::Tensor>> parameters_;
  std::vector<int64_t> is_reached_;
};

// "No micro-batch of the first step reaches a, b and 3 more; ..."; "" for none.
std::string unreached_message(const std::vector<std::string>& names);

}  // namespace usam
