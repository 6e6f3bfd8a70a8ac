#include "trainer/reach.h"

#include <fmt/format.h>

#include <unordered_map>

#include "src/base/text.h"
#include "src/tensor/leaves.h"

namespace usam {

Reach::Reach(const std::vector<std::pair<std::string, torch::Tensor>>& parameters)
    : parameters_(parameters), is_reached_(parameters.size()) {}

const torch::Tensor& Reach::see(const torch::Tensor& loss) {
  std::unordered_map<const c10::TensorImpl*, size_t> place;
  for (size_t i = 0; i < parameters_.size(); ++i) place[parameters_[i].second.unsafeGetTensorImpl()] = i;
  for (const torch::Tensor& leaf : leaves_of(loss))
    if (const auto found = place.find(leaf.unsafeGetTensorImpl()); found != place.end()) is_reached_[found->second] = 1;
  return loss;
}

std::vector<std::string> Reach::unreached(dist::Communicator& ranks) const {
  torch::Tensor reached = torch::tensor(is_reached_, torch::kInt64);
  ranks.all_reduce(reached);
  std::vector<std::string> names;
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (reached[static_cast<int64_t>(i)].item<int64_t>() == 0) names.push_back(parameters_[i].first);
  return names;
}

std::string unreached_message(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  if (names.empty()) return "";
  return fmt::format("No micro-batch of the first step reaches {}; freeze {} with recipe.freeze if that is meant.",
                     join_some(names, kShown), names.size() == 1 ? "it" : "them");
}

}  // namespace usam
