#include "src/nn/wide_product.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string_view>

namespace usam::nn {
namespace {

// From here on oneDNN was the faster with one and two threads on a Zen 4 (below it 0.6 to 1 x, above it 1.05 to 2 x);
// it puts the weight into its own order first, which takes rows to pay.
constexpr int64_t kLeastWork = 60'000'000, kFewestRows = 32;

// oneDNN's product as torch has it for its compiler; nothing where torch was built without.
using LinearPointwise = torch::Tensor(const torch::Tensor&, const torch::Tensor&, const std::optional<torch::Tensor>&,
                                      std::string_view, c10::List<std::optional<c10::Scalar>>,
                                      std::optional<std::string_view>);
const std::optional<c10::OperatorHandle>& linear_pointwise() {
  static const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found;
}

bool is_of_another_maker() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

torch::Tensor multiply(const torch::Tensor& x, const torch::Tensor& weight_OI,
                       const std::optional<torch::Tensor>& bias_O) {
  const at::AutoDispatchBelowAutograd no_graph;
  static const auto call = linear_pointwise()->typed<LinearPointwise>();
  return call.call(x, weight_OI, bias_O, "none", c10::List<std::optional<c10::Scalar>>(), "");
}

class WideProduct : public torch::autograd::Function<WideProduct> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x,
                               const torch::Tensor& weight_OI, const std::optional<torch::Tensor>& bias_O) {
    context->save_for_backward({weight_OI});
    return multiply(x, weight_OI, bias_O);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    return {multiply(gradients[0], context->get_saved_variables()[0].t(), std::nullopt), {}, {}};
  }
};

}  // namespace

bool prefers_onednn() {
  static const bool prefers = is_of_another_maker() && linear_pointwise().has_value();
  return prefers;
}

bool can_take_wide_product(const torch::Tensor& x, const torch::Tensor& weight_OI, const torch::Tensor& bias_O) {
  if (!prefers_onednn() || !x.is_cpu() || x.scalar_type() != torch::kFloat || weight_OI.scalar_type() != torch::kFloat)
    return false;
  if (torch::GradMode::is_enabled() && (weight_OI.requires_grad() || (bias_O.defined() && bias_O.requires_grad())))
    return false;
  const int64_t rows = x.numel() / std::max<int64_t>(1, x.size(-1));
  return rows >= kFewestRows && 2 * x.numel() * weight_OI.size(0) >= kLeastWork;
}

torch::Tensor wide_product(const torch::Tensor& x, const torch::Tensor& weight_OI, const torch::Tensor& bias_O) {
  const auto bias = bias_O.defined() ? std::optional(bias_O) : std::nullopt;
  if (torch::GradMode::is_enabled() && x.requires_grad()) return WideProduct::apply(x, weight_OI, bias);
  return multiply(x, weight_OI, bias);
}

}  // namespace usam::nn
