#pragma once
// The meta device as a stand-in for an accelerator: its tensors have shapes and no values, so that whoever asks one for
// a value (item(), nonzero(), a copy to the host), or mixes it with a tensor of host memory, gets an exception where
// the host would wait for all that a GPU was given to do, or the GPU refuse.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>
#include <torch/torch.h>

#include <vector>

#include "trainer/sums.h"

namespace usam::test {

// Runs an operator on zeros in host memory; what it gives, or writes to, is on the meta device.
inline void through_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& arguments = op.schema().arguments();
  const size_t first = stack->size() - arguments.size();
  const std::vector<c10::IValue> given(stack->begin() + static_cast<std::ptrdiff_t>(first), stack->end());
  const auto on_host = [&](const torch::Tensor& x) {
    if (!x.defined()) return x;
    TORCH_CHECK(x.is_meta() || x.dim() == 0, op.schema().name(), ": a tensor of host memory among the device's");
    return torch::zeros_like(x, torch::kCPU);
  };
  for (size_t i = first; i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) value = on_host(value.toTensor());
    if (!value.isTensorList()) continue;
    c10::List<torch::Tensor> list;
    for (const torch::Tensor& x : value.toTensorVector()) list.push_back(on_host(x));
    value = list;
  }
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  op.callBoxed(stack);
  const auto& returns = op.schema().returns();
  size_t written = 0;  // of the arguments that the operator writes to, which are also what it returns
  for (size_t i = 0; i < returns.size(); ++i) {
    c10::IValue& value = (*stack)[stack->size() - returns.size() + i];
    if (!value.isTensor() || !value.toTensor().defined()) continue;
    const torch::Tensor made = value.toTensor();
    if (!returns[i].alias_info()) {
      value = torch::empty_like(made, torch::kMeta);
      continue;
    }
    while (!arguments[written].alias_info() || !arguments[written].alias_info()->isWrite()) ++written;
    const torch::Tensor target = given[written++].toTensor();
    if (target.sizes() != made.sizes()) target.resize_(made.sizes());
    value = target;
  }
}

// While it lives, operators that LibTorch has no shapes of (Python brings them) work on the meta device.
class MetaDevice {
 public:
  MetaDevice() {
    for (const char* name :
         {"convolution", "convolution_backward", "index_select", "log_sigmoid_forward", "logical_and.out",
          "logical_not.out", "logical_or.out", "native_batch_norm", "native_dropout", "native_dropout_backward",
          "native_layer_norm_backward", "relu", "var_mean.correction", "where.self", "where.self_out"})
      kernels_.impl(name, torch::CppFunction::makeFromBoxedFunction<&through_host>());
  }

 private:
  torch::Library kernels_{torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__};
};

// What a module.to(torch::kMeta) would be, which torch refuses.
inline void forget_values(torch::nn::Module& module) {
  const auto forget = [](const torch::Tensor& tensor) {
    c10::TensorImpl* impl = tensor.unsafeGetTensorImpl();
    impl->set_storage_keep_dtype(torch::empty_like(tensor, torch::kMeta).storage());
    impl->_change_backend_component_keys(torch::kMeta);
  };
  for (const auto& parameter : module.parameters()) forget(parameter);
  for (const auto& buffer : module.buffers()) forget(buffer);
}

// The forward and backward pass of a batch on the meta device, which a MetaDevice must serve; the recipe's module has
// no values from then on.
inline StepOutput pass_without_values(Recipe& recipe, const data::Batch& batch) {
  const Counts counts = recipe.count(batch);
  forget_values(recipe.module());
  StepOutput out = recipe.forward(batch.to(torch::kMeta));
  weighted_loss(out.terms, counts).backward();
  return out;
}

}  // namespace usam::test
