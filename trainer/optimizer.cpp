#include "trainer/optimizer.h"

#include <set>

#include "src/tensor/untouched.h"

namespace usam {

void describe(Fields& f, AdamWConfig& c) {
  f("lr", c.lr, "learning rate at the top of the schedule").at_least(0);
  f("betas", c.betas, "decay of the running means of the gradient and of its square");
  f("eps", c.eps, "added to the root of the mean square").more_than(0);
  f("weight_decay", c.weight_decay, "share of the learning rate by which matrices shrink; vectors do not").at_least(0);
  f.rule([&c] {
    const bool good = c.betas.size() == 2 && c.betas[0] >= 0 && c.betas[0] < 1 && c.betas[1] >= 0 && c.betas[1] < 1;
    return good ? std::string() : std::string("'betas' must be two numbers, each at least 0 and below 1.");
  });
}

AdamW::AdamW(const AdamWConfig& config, const std::vector<ParameterGroup>& groups) : config_(config) {
  std::set<std::string> seen;
  for (const ParameterGroup& from : groups) {
    Group group;
    group.name = from.name;
    group.decayed.weight_decay = config.weight_decay;
    for (const auto& [name, parameter] : from.parameters) {
      if (!seen.insert(name).second) internal_error("parameter '{}' is listed twice in the recipe's groups", name);
      if (!parameter.requires_grad()) internal_error("parameter '{}' is in a group but needs no gradient", name);
      Slice& slice = parameter.dim() > 1 ? group.decayed : group.plain;
      slice.names.push_back(name);
      slice.parameters.push_back(parameter);
      for (auto* states : {&slice.averages, &slice.squares})
        states->push_back(parameter.is_contiguous() ? untouched_zeros(parameter.sizes(), parameter.options())
                                                    : torch::zeros_like(parameter, torch::MemoryFormat::Preserve));
    }
    const bool empty = from.parameters.empty();
    group.steps = torch::zeros(
        {}, torch::dtype(torch::kFloat32).device(empty ? torch::kCPU : from.parameters[0].second.device()));
    groups_.push_back(std::move(group));
  }
}

void AdamW::update(Slice& slice, const torch::Tensor& steps, double lr) const {
  if (slice.parameters.empty()) return;
  std::vector<torch::Tensor> gradients;
  for (const torch::Tensor& parameter : slice.parameters) gradients.push_back(parameter.grad());
  const std::vector<torch::Tensor> counts(slice.parameters.size(), steps);
  at::_fused_adamw_(slice.parameters, gradients, slice.averages, slice.squares, {}, counts, lr, config_.betas[0],
                    config_.betas[1], slice.weight_decay, config_.eps, /*amsgrad=*/false, /*maximize=*/false);
}

void AdamW::step(const std::vector<ParameterGroup>& groups, double lr) {
  torch::NoGradGuard no_grad;
  if (groups.size() != groups_.size()) internal_error("the recipe's groups changed during training");
  for (size_t i = 0; i < groups.size(); ++i) {
    if (!groups[i].active) continue;
    Group& group = groups_[i];
    group.steps.add_(1);
    update(group.decayed, group.steps, lr * groups[i].lr_scale);
    update(group.plain, group.steps, lr * groups[i].lr_scale);
  }
}

std::vector<StateTensor> AdamW::state() {
  std::vector<StateTensor> state;
  for (const Group& group : groups_) {
    state.push_back({"group." + group.name + ".steps", group.steps, ""});
    for (const Slice* slice : {&group.decayed, &group.plain})
      for (size_t i = 0; i < slice->names.size(); ++i) {
        state.push_back({slice->names[i] + ".average", slice->averages[i], slice->names[i]});
        state.push_back({slice->names[i] + ".square", slice->squares[i], slice->names[i]});
      }
  }
  return state;
}

double clip_gradients(const std::vector<ParameterGroup>& groups, double max_norm, dist::Communicator* owners) {
  torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const ParameterGroup& group : groups)
    for (const auto& [name, parameter] : group.parameters)
      if (group.active) gradients.push_back(parameter.grad());
  if (gradients.empty()) return 0;
  torch::Tensor total = torch::stack(at::_foreach_norm(gradients)).norm();
  if (owners) {
    total.square_();
    owners->all_reduce(total);
    total.sqrt_();
  }
  const double norm = total.item<double>();
  if (const double scale = max_norm / (norm + 1e-6); max_norm > 0 && scale < 1) at::_foreach_mul_(gradients, scale);
  return norm;
}

}  // namespace usam
