#include "src/nn/gelu.h"

#include "src/nn/cpu_kernel.h"
#include "src/tensor/parallel.h"

namespace usam::nn {

namespace {

// Through one pointer: for two that may overlap, compilers keep a loop without vectors, and take it in place.
void gelu_in_place(const torch::Tensor& x) {
  auto* values = x.data_ptr<float>();
  parallel_for(0, x.numel(), kCpuGrain, [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE {
      for (int64_t i = begin; i < end; ++i) values[i] = fast_gelu(values[i]);
    });
  });
}

// A block that is computed again for its backward pass has the values that it had without a graph.
class Gelu : public torch::autograd::Function<Gelu> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x) {
    context->save_for_backward({x});
    const auto y = x.clone();
    gelu_in_place(y);
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    return {at::gelu_backward(gradients[0], context->get_saved_variables()[0])};
  }
};

}  // namespace

torch::Tensor gelu(torch::Tensor x) {
  if (!x.is_cpu() || x.scalar_type() != torch::kFloat || !x.is_non_overlapping_and_dense()) return torch::gelu(x);
  if (makes_graph(x)) return Gelu::apply(x);
  gelu_in_place(x);
  return x;
}

}  // namespace usam::nn
