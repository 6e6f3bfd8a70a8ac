#pragma once
#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

namespace usam {

// What happens around the forward pass of a block, by those who place or recompute models: fetches the weights, for
// example, calls `forward` once, and lets go of them.
class BlockWrapper {
 public:
  using Forward = std::function<torch::Tensor(const torch::Tensor&)>;
  virtual ~BlockWrapper() = default;
  virtual torch::Tensor run(const torch::Tensor& x, const Forward& forward) = 0;
};

// A layer that repeats in a model, entered by one activation and left by another. A model's batch never decides whether
// or how often its blocks run, so that ranks can fetch weights from each other while they do.
class Block : public torch::nn::Module {
 public:
  // Later ones are around earlier ones.
  void wrap(std::shared_ptr<BlockWrapper> wrapper) { wrappers_.push_back(std::move(wrapper)); }
  bool is_wrapped() const { return !wrappers_.empty(); }

 protected:
  // For forward(): forward(x), or its wrappers around it. `forward` may be called again in the backward pass: it holds
  // copies of what it needs beside the module.
  template <class F>
  torch::Tensor wrapped(const torch::Tensor& x, const F& forward) {
    return wrappers_.empty() ? forward(x) : through(wrappers_.size(), x, forward);
  }

 private:
  torch::Tensor through(size_t count, const torch::Tensor& x, const BlockWrapper::Forward& forward) {
    if (count == 0) return forward(x);
    return wrappers_[count - 1]->run(
        x, [this, count, forward](const torch::Tensor& in) { return through(count - 1, in, forward); });
  }

  std::vector<std::shared_ptr<BlockWrapper>> wrappers_;
};

// Whether a block of the module is wrapped.
inline bool has_wrapped_block(const torch::nn::Module& module) {
  for (const auto& part : module.modules(/*include_self=*/false))
    if (const auto* block = dynamic_cast<const Block*>(part.get()); block && block->is_wrapped()) return true;
  return false;
}

}  // namespace usam
