#pragma once
#include <torch/torch.h>

#include "src/nn/weight_store.h"
#include "src/tensor/coded.h"

namespace usam::nn {

class LinearImpl;

// Adds something to a linear layer's output; a LoRA update is one. Parameters live in this module.
class LinearUpdate : public torch::nn::Module {
 public:
  // x (..., in) -> what is added to the layer's output (..., out).
  virtual torch::Tensor forward(const torch::Tensor& x) = 0;
  // The layer's output with what is added: layer.product(x) + forward(x), here by just that.
  virtual torch::Tensor updated(LinearImpl& layer, const torch::Tensor& x);
};

// y = x W^T + b, W (out, in). Every projection of every model is one of these, so that updates (LoRA) and other weight
// storage can be attached from outside by module path; the models know nothing of them.
class LinearImpl : public torch::nn::Module, public Coded {
 public:
  LinearImpl(int64_t in, int64_t out, bool with_bias = true);
  torch::Tensor forward(const torch::Tensor& x);
  // x W^T + b, whatever the weight is kept in, without the update; in x's type, or autocast's.
  torch::Tensor product(const torch::Tensor& x) const;
  // dy W, the gradient of product() with respect to x, in dy's type; makes no graph. For hand-written backward passes.
  torch::Tensor input_gradient(const torch::Tensor& dy) const;
  // Takes these values, (out, in), kept in this way, frozen. As codes, `weight` and `scales` are its codes and their
  // scales; kPlain: as they are, also in a lower type than is computed in. They may lie on any device; the codes of
  // values on a processor are made there, and lie where the weight did.
  void keep(const torch::Tensor& weight_OI, WeightStore store);
  WeightStore store() const { return store_; }
  std::string coded() const override { return scales.defined() ? "weight" : ""; }
  std::string code_scales() const override { return "scales"; }
  std::vector<int64_t> value_sizes() const override { return {out_features, in_features}; }
  void take_values(const torch::Tensor& weight_OI) override { keep(weight_OI, store_); }
  // The weight's values, (out, in), fp32; without a graph.
  torch::Tensor values() const;
  // Registers the children of the update under this module, so that paths read q_proj.lora_A.weight.
  void attach(const std::shared_ptr<LinearUpdate>& update);
  const std::shared_ptr<LinearUpdate>& update() const { return update_; }

  int64_t in_features, out_features;
  torch::Tensor weight, bias;  // bias undefined when the layer has none
  torch::Tensor scales;        // undefined unless the weight is quantised

 private:
  StoredWeight stored() const { return {store_, out_features, in_features, weight, scales}; }

  WeightStore store_ = WeightStore::kPlain;
  std::shared_ptr<LinearUpdate> update_;
};
TORCH_MODULE(Linear);

}  // namespace usam::nn
