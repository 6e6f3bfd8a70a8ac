#include "src/nn/layer_mix.h"

#include "src/base/error.h"

namespace usam::nn {

LayerMixImpl::LayerMixImpl(int64_t states) {
  weight_ = register_parameter("weight", torch::full({1, states}, 1.0 / static_cast<double>(states)));
  bias_ = register_parameter("bias", torch::zeros({1}));
}

torch::Tensor LayerMixImpl::forward(const std::vector<torch::Tensor>& states) {
  if (static_cast<int64_t>(states.size()) != weight_.size(1)) {
    internal_error("A layer mix over {} hidden states was given {}.", weight_.size(1), states.size());
  }
  const auto stacked = torch::stack(states).flatten(1);  // (L, everything else)
  return (weight_.matmul(stacked) + bias_).view_as(states.front());
}

}  // namespace usam::nn
