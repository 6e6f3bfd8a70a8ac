#include "src/nn/linear.h"

#include "src/nn/random_init.h"
#include "src/tensor/autocast.h"

namespace usam::nn {

LinearImpl::LinearImpl(int64_t in, int64_t out, bool with_bias) : in_features(in), out_features(out) {
  weight = register_parameter("weight", parameter_memory({out, in}));
  if (with_bias) bias = register_parameter("bias", parameter_memory({out}));
  if (UnsetParameters::is_on()) return;
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  torch::nn::init::uniform_(weight, -bound, bound);
  if (with_bias) torch::nn::init::uniform_(bias, -bound, bound);
}

torch::Tensor LinearUpdate::updated(LinearImpl& layer, const torch::Tensor& x) {
  auto y = layer.product(x);
  return y + forward(x).to(y.scalar_type());
}

torch::Tensor LinearImpl::forward(const torch::Tensor& x) {
  return update_ ? update_->updated(*this, x) : product(x);
}

torch::Tensor LinearImpl::product(const torch::Tensor& x) const {
  const auto type = autocast_type(x.device()).value_or(x.scalar_type());
  if (store_ == WeightStore::kPlain && (weight.scalar_type() == type || weight.requires_grad()))
    return linear(x, weight, bias);
  return stored_product(x.to(type), stored(), bias);
}

torch::Tensor LinearImpl::input_gradient(const torch::Tensor& dy) const {
  return stored_input_gradient(dy, stored());
}

void LinearImpl::keep(const torch::Tensor& weight_OI, WeightStore store) {
  const torch::NoGradGuard no_grad;
  store_ = store;
  put_stored(*this, store_weight(weight_OI, store), weight, scales);
}

torch::Tensor LinearImpl::values() const {
  const torch::NoGradGuard no_grad;
  return dense_weight(stored(), torch::kFloat);
}

void LinearImpl::attach(const std::shared_ptr<LinearUpdate>& update) {
  TORCH_CHECK(!update_, "a linear layer takes one update");
  update_ = update;
  for (auto& child : update->named_children()) register_module(child.key(), child.value());
}

}  // namespace usam::nn
