#pragma once
#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/base/registry.h"
#include "src/dist/communicator.h"
#include "trainer/recipe.h"

namespace usam {

// A tensor of an optimizer's state.
struct StateTensor {
  std::string name;
  torch::Tensor values;
  std::string parameter;  // the one whose elements these values belong to, one each; "": none
};

// Turns gradients into updates of the parameters it was built for, which may be pieces of parameters: updates are
// element by element.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  // The learning rate before the schedule and a group's own scale.
  virtual double base_lr() const = 0;
  // One update of the active groups with the learning rate `lr` (times each group's scale). Every parameter of an
  // active group has a gradient. The groups are those of the construction; only `active` may differ.
  virtual void step(const std::vector<ParameterGroup>& groups, double lr) = 0;
  // The live state: a checkpoint writes it, and reading it back in place restores the optimizer.
  virtual std::vector<StateTensor> state() = 0;
};

// AdamW with decoupled weight decay (Loshchilov & Hutter 2019; torch.optim.AdamW is the reference), as one fused kernel
// per group. Tensors with at most one axis (biases, norm gains) are not decayed.
struct AdamWConfig {
  double lr = 5e-5;
  std::vector<double> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
};
void describe(Fields& f, AdamWConfig& c);

class AdamW final : public Optimizer {
 public:
  AdamW(const AdamWConfig& config, const std::vector<ParameterGroup>& groups);
  double base_lr() const override { return config_.lr; }
  void step(const std::vector<ParameterGroup>& groups, double lr) override;
  std::vector<StateTensor> state() override;

 private:
  // What one call of the fused kernel works on.
  struct Slice {
    std::vector<std::string> names;
    std::vector<torch::Tensor> parameters, averages, squares;
    double weight_decay = 0;
  };
  struct Group {
    std::string name;
    torch::Tensor steps;  // float32 scalar: updates made so far
    Slice decayed, plain;
  };
  void update(Slice& slice, const torch::Tensor& steps, double lr) const;

  AdamWConfig config_;
  std::vector<Group> groups_;
};

// The norm of all gradients of the active groups together; scales them down to `max_norm` where it is larger (0:
// never), as torch.nn.utils.clip_grad_norm_ does. `owners`: the ranks, where each has other pieces of the parameters.
double clip_gradients(const std::vector<ParameterGroup>& groups, double max_norm, dist::Communicator* owners = nullptr);

using OptimizerRegistry = Registry<Optimizer, const std::vector<ParameterGroup>&>;
// Every optimizer by its `type:`; the list is in register.cpp.
const OptimizerRegistry& optimizers();

}  // namespace usam
