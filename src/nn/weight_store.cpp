// M rows of activations, O outputs, I inputs.
#include "src/nn/weight_store.h"

#include <ATen/ceil_div.h>
#include <algorithm>

#include "src/nn/few_rows.h"
#include "src/nn/int8_product.h"
#include "src/nn/quantise.h"
#include "src/nn/wide_product.h"
#include "src/tensor/autocast.h"
#include "src/tensor/dtype.h"

namespace usam::nn {
namespace {

constexpr int64_t kPanelValues = 1 << 22;  // 16 MiB of fp32: smaller panels cost the products time

// Rows first .. first + count of W, fp32.
torch::Tensor dense_rows(const StoredWeight& weight, int64_t first, int64_t count) {
  switch (weight.store) {
    case WeightStore::kInt8:
    case WeightStore::kInt8Dynamic:
      return dequantise_rows({weight.values.narrow(0, first, count), weight.scales.narrow(0, first, count)});
    case WeightStore::kNf4:
      return dequantise_nf4({weight.values, weight.scales}, first * weight.inputs, count * weight.inputs)
          .view({count, weight.inputs});
    case WeightStore::kPlain:
    case WeightStore::kBFloat16Dynamic:
      break;
  }
  return weight.values.narrow(0, first, count).to(torch::kFloat);
}

// Calls work(first, W[first : first + count]) for panels of W in fp32, one after the other.
template <class Work>
void each_panel(const StoredWeight& weight, const Work& work) {
  const int64_t panels = std::max<int64_t>(1, at::ceil_div(weight.outputs * weight.inputs, kPanelValues));
  const int64_t size = std::max<int64_t>(1, at::ceil_div(weight.outputs, panels));
  for (int64_t first = 0; first < weight.outputs; first += size)
    work(first, dense_rows(weight, first, std::min(size, weight.outputs - first)));
}

bool is_in_panels(const torch::Tensor& x_MI) {
  return x_MI.is_cpu() && x_MI.scalar_type() == torch::kFloat;
}

// cuBLAS takes these shapes only.
bool can_multiply_codes(const torch::Tensor& x_MI, const StoredWeight& weight) {
  return x_MI.is_cpu() || (x_MI.is_cuda() && x_MI.size(0) > 16 && weight.inputs % 8 == 0 && weight.outputs % 8 == 0);
}

// x W^T + b, where x becomes codes.
torch::Tensor product_of_codes(const torch::Tensor& x_MI, const Int8Rows& weight, const torch::Tensor& bias_O) {
  const auto rows = quantise_rows(x_MI);
  if (x_MI.is_cpu() && prefers_own_int8_product()) return int8_product(rows, weight, bias_O).to(x_MI.scalar_type());
  const auto sums_MO = at::_int_mm(rows.codes_RC, weight.codes_RC.t());
  return scale_sums(sums_MO, rows.scales_R, weight.scales_R, bias_O).to(x_MI.scalar_type());
}

// dy W, where dy times the outputs' scales becomes codes (SwitchBack, Wortsman et al. 2023, arXiv 2304.13013, whose
// weights have one scale).
torch::Tensor gradient_of_codes(const torch::Tensor& dy_MO, const StoredWeight& weight) {
  auto codes_IO = weight.values.t();
  if (!codes_IO.is_cpu()) codes_IO = codes_IO.contiguous();  // the only layout that all devices have a product for
  return product_of_codes(dy_MO * weight.scales, {codes_IO, torch::ones({weight.inputs}, weight.scales.options())}, {})
      .to(dy_MO.scalar_type());
}

torch::Tensor product_in_panels(const torch::Tensor& x_MI, const StoredWeight& weight, const torch::Tensor& bias_O) {
  auto y_MO = torch::empty({x_MI.size(0), weight.outputs}, x_MI.options());
  each_panel(weight, [&](int64_t first, const torch::Tensor& panel_PI) {
    auto y_MP = y_MO.narrow(1, first, panel_PI.size(0));
    at::mm_out(y_MP, x_MI, panel_PI.t());
  });
  return bias_O.defined() ? y_MO.add_(bias_O) : y_MO;
}

// Elsewhere rows are rounded to bfloat16 and multiplied in fp32; results differ by rounding.
bool is_native_bfloat16(const torch::Tensor& x, const StoredWeight& weight) {
  return weight.store == WeightStore::kBFloat16Dynamic && (!x.is_cpu() || has_bfloat16_products());
}

torch::Tensor in_bfloat16(const torch::Tensor& x, const StoredWeight& weight) {
  return weight.store == WeightStore::kBFloat16Dynamic ? x.to(torch::kBFloat16).to(x.scalar_type()) : x;
}

torch::Tensor product_of_bfloat16(const torch::Tensor& x_MI, const StoredWeight& weight, const torch::Tensor& bias_O) {
  auto y_MO = at::mm(x_MI.to(torch::kBFloat16), weight.values.t()).to(x_MI.scalar_type());
  return bias_O.defined() ? y_MO.add_(bias_O) : y_MO;
}

// Without a graph.
torch::Tensor product(const torch::Tensor& x, const StoredWeight& weight, const torch::Tensor& bias_O) {
  const auto x_MI = x.reshape({-1, weight.inputs});
  auto sizes = x.sizes().vec();
  sizes.back() = weight.outputs;
  if (x_MI.size(0) == 0) return torch::empty(sizes, x.options());
  if (weight.store == WeightStore::kInt8Dynamic && can_multiply_codes(x_MI, weight))
    return product_of_codes(x_MI, {weight.values, weight.scales}, bias_O).view(sizes);
  const auto bias = bias_O.defined() ? bias_O.to(x.scalar_type()) : bias_O;
  if (can_take_few_rows(x_MI, weight)) return product_of_few_rows(x_MI, weight, bias).view(sizes);
  if (is_native_bfloat16(x, weight)) return product_of_bfloat16(x_MI, weight, bias).view(sizes);
  const auto rows_MI = in_bfloat16(x_MI, weight);
  if (is_in_panels(rows_MI)) return product_in_panels(rows_MI, weight, bias).view(sizes);
  return nn::linear(rows_MI, dense_weight(weight, x.scalar_type()), bias).view(sizes);
}

// Keeps what the weight is stored as for the backward pass, never the values in full.
class StoredProduct : public torch::autograd::Function<StoredProduct> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const std::optional<torch::Tensor>& bias_O, const StoredWeight* weight) {
    torch::autograd::variable_list kept = {weight->values};
    if (weight->scales.defined()) kept.push_back(weight->scales);
    context->save_for_backward(kept);
    context->saved_data["store"] = static_cast<int64_t>(weight->store);
    context->saved_data["outputs"] = weight->outputs;
    context->saved_data["inputs"] = weight->inputs;
    context->saved_data["has_bias"] = bias_O.has_value();
    context->saved_data["bias"] = static_cast<int64_t>((bias_O ? *bias_O : x).scalar_type());
    return product(x, *weight, bias_O.value_or(torch::Tensor()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto& dy = gradients[0];
    const auto saved = context->get_saved_variables();
    const StoredWeight weight{static_cast<WeightStore>(context->saved_data["store"].toInt()),
                              context->saved_data["outputs"].toInt(), context->saved_data["inputs"].toInt(), saved[0],
                              saved.size() > 1 ? saved[1] : torch::Tensor()};
    torch::Tensor dx, dbias_O;
    if (context->needs_input_grad(0)) dx = stored_input_gradient(dy, weight);
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(1))
      dbias_O = dy.reshape({-1, weight.outputs})
                    .sum(0)
                    .to(static_cast<torch::ScalarType>(context->saved_data["bias"].toInt()));
    return {dx, dbias_O, {}};
  }
};

}  // namespace

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight_OI, const torch::Tensor& bias_O) {
  if (x.scalar_type() == weight_OI.scalar_type() && !autocast_type(x.device())) {
    if (c10::InferenceMode::is_enabled()) {
      const StoredWeight stored{WeightStore::kPlain, weight_OI.size(0), weight_OI.size(1), weight_OI, {}};
      if (can_take_few_rows(x, stored)) return product_of_few_rows(x, stored, bias_O);
    }
    if (can_take_wide_product(x, weight_OI, bias_O)) return wide_product(x, weight_OI, bias_O);
  }
  return torch::linear(x, weight_OI, bias_O);
}

StoredWeight store_weight(const torch::Tensor& weight_OI, WeightStore store) {
  StoredWeight stored{store, weight_OI.size(0), weight_OI.size(1), {}, {}};
  if (store == WeightStore::kPlain) {
    stored.values = weight_OI;
  } else if (store == WeightStore::kBFloat16Dynamic) {
    stored.values = weight_OI.to(torch::kBFloat16).contiguous();
  } else if (store == WeightStore::kNf4) {
    const auto packed = quantise_nf4(weight_OI);
    stored.values = packed.codes, stored.scales = packed.scales;
  } else {
    const auto rows = quantise_rows(weight_OI);
    stored.values = rows.codes_RC, stored.scales = rows.scales_R;
  }
  return stored;
}

void put_stored(torch::nn::Module& layer, const StoredWeight& kept, torch::Tensor& weight, torch::Tensor& scales) {
  const torch::NoGradGuard no_grad;
  const auto device = weight.device();
  weight.requires_grad_(false);
  weight.set_data(kept.values.to(device));
  if (!kept.scales.defined()) return;
  if (scales.defined())
    scales.set_data(kept.scales.to(device));
  else
    scales = layer.register_parameter("scales", kept.scales.to(device), /*requires_grad=*/false);
}

torch::Tensor dense_weight(const StoredWeight& weight, torch::ScalarType type) {
  if (!weight.scales.defined()) return weight.values.to(type);
  return dense_rows(weight, 0, weight.outputs).to(type);
}

torch::Tensor stored_product(const torch::Tensor& x, const StoredWeight& weight, const torch::Tensor& bias_O) {
  const c10::impl::ExcludeDispatchKeyGuard own_type(c10::autocast_dispatch_keyset);
  const bool needs_graph =
      torch::GradMode::is_enabled() && (x.requires_grad() || (bias_O.defined() && bias_O.requires_grad()));
  if (!needs_graph) return product(x, weight, bias_O);
  return StoredProduct::apply(x, bias_O.defined() ? std::optional(bias_O) : std::nullopt, &weight);
}

torch::Tensor stored_input_gradient(const torch::Tensor& dy, const StoredWeight& weight) {
  const torch::NoGradGuard no_grad;
  const c10::impl::ExcludeDispatchKeyGuard own_type(c10::autocast_dispatch_keyset);
  auto sizes = dy.sizes().vec();
  sizes.back() = weight.inputs;
  const auto given_MO = dy.reshape({-1, weight.outputs});
  if (given_MO.size(0) == 0) return torch::empty(sizes, dy.options());
  if (weight.store == WeightStore::kInt8Dynamic && can_multiply_codes(given_MO, weight))
    return gradient_of_codes(given_MO, weight).view(sizes);
  if (is_native_bfloat16(dy, weight))
    return at::mm(given_MO.to(torch::kBFloat16), weight.values).to(dy.scalar_type()).view(sizes);
  const auto dy_MO = in_bfloat16(given_MO, weight);
  if (!is_in_panels(dy_MO)) {
    const auto dense_OI = dense_weight(weight, dy.scalar_type());
    return nn::linear(dy_MO, dense_OI.t()).view(sizes);
  }
  auto dx_MI = torch::empty({dy_MO.size(0), weight.inputs}, dy.options());
  each_panel(weight, [&](int64_t first, const torch::Tensor& panel_PI) {
    const auto dy_MP = dy_MO.narrow(1, first, panel_PI.size(0));
    if (first == 0)
      at::mm_out(dx_MI, dy_MP, panel_PI);
    else
      dx_MI.addmm_(dy_MP, panel_PI);
  });
  return dx_MI.view(sizes);
}

}  // namespace usam::nn
