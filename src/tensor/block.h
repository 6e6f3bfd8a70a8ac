#pragma once
#include <torch/torch.h>

#include <functional>
#include <memory>

namespace usam {

// What happens around the forward pass of a block, by those who place or recompute models: fetches the weights, for
// example, calls `forward` once, and lets go of them.
class Around {
 public:
  using Forward = std::function<torch::Tensor(const torch::Tensor&)>;
  virtual ~Around() = default;
  virtual torch::Tensor run(const torch::Tensor& x, const Forward& forward) = 0;
};

// A layer that repeats in a model, entered by one activation and left by another. A model's batch never decides whether
// or how often its blocks run, so that ranks can fetch weights from each other while they do.
class Block : public torch::nn::Module {
 public:
  void surround(std::shared_ptr<Around> around) { around_ = std::move(around); }

 protected:
  // For forward(): forward(x), or what surrounds it.
  template <class F>
  torch::Tensor within(const torch::Tensor& x, const F& forward) {
    return around_ ? around_->run(x, forward) : forward(x);
  }

 private:
  std::shared_ptr<Around> around_;
};

}  // namespace usam
