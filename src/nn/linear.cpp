#include "src/nn/linear.h"

#include <ATen/autocast_mode.h>

#include "src/nn/few_rows.h"
#include "src/nn/random_init.h"
#include "src/nn/wide_product.h"

namespace usam::nn {

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight_OI, const torch::Tensor& bias_O) {
  if (x.scalar_type() == weight_OI.scalar_type() && !at::autocast::is_autocast_enabled(x.device().type())) {
    if (c10::InferenceMode::is_enabled()) {
      const StoredWeight stored{WeightStore::kPlain, weight_OI.size(0), weight_OI.size(1), weight_OI, {}};
      if (can_take_few_rows(x, stored)) return product_of_few_rows(x, stored, bias_O);
    }
    if (can_take_wide_product(x, weight_OI, bias_O)) return wide_product(x, weight_OI, bias_O);
  }
  return torch::linear(x, weight_OI, bias_O);
}

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
  const auto device = x.device().type();
  const auto type =
      at::autocast::is_autocast_enabled(device) ? at::autocast::get_autocast_dtype(device) : x.scalar_type();
  if (store_ == WeightStore::kPlain && (weight.scalar_type() == type || weight.requires_grad()))
    return linear(x, weight, bias);
  return stored_product(x.to(type), stored(), bias);
}

torch::Tensor LinearImpl::input_gradient(const torch::Tensor& dy) const {
  return stored_input_gradient(dy, stored());
}

void LinearImpl::keep(const torch::Tensor& weight_OI, WeightStore store) {
  const torch::NoGradGuard no_grad;
  const auto kept = store_weight(weight_OI, store);
  store_ = store;
  weight.requires_grad_(false);
  weight.set_data(kept.values.to(weight.device()));
  if (!kept.scales.defined()) return;
  const auto kept_scales = kept.scales.to(weight.device());
  if (scales.defined())
    scales.set_data(kept_scales);
  else
    scales = register_parameter("scales", kept_scales, /*requires_grad=*/false);
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
