#include "src/nn/lora.h"

#include <cmath>
#include <set>
#include <utility>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/nn/dropout.h"
#include "src/nn/lora_product.h"
#include "src/tensor/rng.h"

namespace usam::nn {
namespace {

using NamedLinears = std::vector<std::pair<std::string, std::shared_ptr<LinearImpl>>>;

NamedLinears linears_of(torch::nn::Module& module) {
  NamedLinears found;
  for (auto& item : module.named_modules("", /*include_self=*/false)) {
    if (auto linear = std::dynamic_pointer_cast<LinearImpl>(item.value())) found.emplace_back(item.key(), linear);
  }
  return found;
}

bool is_target(const std::string& path, const std::string& target) {
  return path == target || path.ends_with("." + target);
}

std::string known_names(const NamedLinears& linears) {
  std::set<std::string> names;
  for (const auto& [path, linear] : linears) names.insert(path.substr(path.rfind('.') + 1));
  return join_words({names.begin(), names.end()});
}

void check_targets(const NamedLinears& linears, const LoraConfig& config) {
  for (const auto& target : config.targets) {
    bool is_known = false;
    for (const auto& [path, linear] : linears) is_known = is_known || is_target(path, target);
    if (!is_known)
      user_error("lora.targets: no linear layer's path ends with '{}'; the layers' names are {}", target,
                 known_names(linears));
  }
}

}  // namespace

void describe(Fields& f, LoraConfig& c) {
  f("rank", c.rank, "rank of the update").at_least(1);
  f("alpha", c.alpha, "the update is scaled by alpha / rank").more_than(0);
  f("dropout", c.dropout, "share of the update's input that is dropped in training").at_least(0).less_than(1);
  f("targets", c.targets, "linear layers to update: last part of their paths, or a longer suffix");
  f.rule([&c] { return std::string(c.targets.empty() ? "'targets' is empty: name at least one linear layer" : ""); });
}

LoraUpdate::LoraUpdate(int64_t in, int64_t out, const LoraConfig& config)
    : scale_(config.alpha / static_cast<double>(config.rank)),
      dropout_(config.dropout),
      lora_A_(in, config.rank, false),
      lora_B_(config.rank, out, false) {
  register_module("lora_A", lora_A_);
  register_module("lora_B", lora_B_);
}

torch::Tensor LoraUpdate::forward(const torch::Tensor& x) {
  // The children's mode counts: they, not this object, are registered under the layer.
  auto kept = nn::dropout(x.to(lora_A_->weight.scalar_type()), dropout_, lora_A_->is_training());
  return lora_B_(lora_A_(kept)) * scale_;
}

torch::Tensor LoraUpdate::updated(LinearImpl& layer, const torch::Tensor& x) {
  const bool is_frozen = !layer.weight.requires_grad() && !(layer.bias.defined() && layer.bias.requires_grad());
  if (!is_frozen) return LinearUpdate::updated(layer, x);
  const double share = lora_A_->is_training() ? dropout_ : 0;
  return lora_product(layer, x, {lora_A_->weight, lora_B_->weight, scale_, share});
}

std::vector<std::string> attach_lora(torch::nn::Module& module, const LoraConfig& config, uint64_t seed,
                                     const std::string& name) {
  const auto linears = linears_of(module);
  check_targets(linears, config);
  torch::NoGradGuard no_grad;
  std::vector<std::string> updated;
  for (const auto& [path, linear] : linears) {
    bool is_wanted = false;
    for (const auto& target : config.targets) is_wanted = is_wanted || is_target(path, target);
    if (!is_wanted) continue;
    auto update = std::make_shared<LoraUpdate>(linear->in_features, linear->out_features, config);
    auto parameters = update->named_parameters();
    const double bound = 1 / std::sqrt(static_cast<double>(linear->in_features));
    parameters["lora_A.weight"].uniform_(-bound, bound, generator(draw_key(seed, name, path + ".lora_A.weight")));
    parameters["lora_B.weight"].zero_();
    update->to(linear->weight.device());
    update->train(linear->is_training());
    linear->attach(update);
    updated.push_back(path);
  }
  return updated;
}

}  // namespace usam::nn
