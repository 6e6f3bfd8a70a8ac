#include "src/nn/linear.h"

#include "src/nn/random_init.h"

namespace usam::nn {

LinearImpl::LinearImpl(int64_t in, int64_t out, bool with_bias) : in_features(in), out_features(out) {
  weight = register_parameter("weight", torch::empty({out, in}));
  if (with_bias) bias = register_parameter("bias", torch::empty({out}));
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
  return torch::linear(x, weight, bias);
}

torch::Tensor LinearImpl::input_gradient(const torch::Tensor& dy) const {
  const torch::NoGradGuard no_grad;
  return dy.matmul(weight.to(dy.scalar_type()));
}

void LinearImpl::attach(const std::shared_ptr<LinearUpdate>& update) {
  TORCH_CHECK(!update_, "a linear layer takes one update");
  update_ = update;
  for (auto& child : update->named_children()) register_module(child.key(), child.value());
}

}  // namespace usam::nn
