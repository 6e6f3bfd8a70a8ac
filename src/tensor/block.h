#pragma once
#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

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
  // Later ones are around earlier ones.
  void surround(std::shared_ptr<Around> around) { arounds_.push_back(std::move(around)); }
  bool is_surrounded() const { return !arounds_.empty(); }

 protected:
  // For forward(): forward(x), or what surrounds it. `forward` may be called again in the backward pass: it holds
  // copies of what it needs beside the module.
  template <class F>
  torch::Tensor within(const torch::Tensor& x, const F& forward) {
    return arounds_.empty() ? forward(x) : through(arounds_.size(), x, forward);
  }

 private:
  torch::Tensor through(size_t count, const torch::Tensor& x, const Around::Forward& forward) {
    if (count == 0) return forward(x);
    return arounds_[count - 1]->run(
        x, [this, count, forward](const torch::Tensor& in) { return through(count - 1, in, forward); });
  }

  std::vector<std::shared_ptr<Around>> arounds_;
};

// Whether a block of the module is.
inline bool is_surrounded(const torch::nn::Module& module) {
  for (const auto& part : module.modules(/*include_self=*/false))
    if (const auto* block = dynamic_cast<const Block*>(part.get()); block && block->is_surrounded()) return true;
  return false;
}

}  // namespace usam
