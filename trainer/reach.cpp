#include "trainer/reach.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/functions/accumulate_grad.h>

#include <unordered_map>
#include <unordered_set>

#include "src/base/text.h"

namespace usam {

Reach::Reach(const std::vector<std::pair<std::string, torch::Tensor>>& parameters)
    : parameters_(parameters), is_reached_(parameters.size()) {}

const torch::Tensor& Reach::see(const torch::Tensor& loss) {
  using torch::autograd::AccumulateGrad;
  using torch::autograd::Node;
  std::unordered_map<const c10::TensorImpl*, size_t> place;
  for (size_t i = 0; i < parameters_.size(); ++i) place[parameters_[i].second.unsafeGetTensorImpl()] = i;
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> next;
  if (loss.grad_fn()) next.push_back(loss.grad_fn().get());
  while (!next.empty()) {
    const Node* node = next.back();
    next.pop_back();
    if (!seen.insert(node).second) continue;
    if (const auto* leaf = dynamic_cast<const AccumulateGrad*>(node))
      if (const auto found = place.find(leaf->variable.unsafeGetTensorImpl()); found != place.end())
        is_reached_[found->second] = 1;
    for (const auto& edge : node->next_edges())
      if (edge.function) next.push_back(edge.function.get());
  }
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
