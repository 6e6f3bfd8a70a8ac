#include "src/nn/swiglu.h"

#include "src/nn/cpu_kernel.h"
#include "src/nn/fast_exp.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

USAM_INLINE inline void multiply(const float* gate, const float* up, float* __restrict y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] / (1.0f + fast_exp(-gate[i])) * up[i];
}

struct Gradients {
  const float *dy, *gate, *up;
  float *dgate, *dup;
};

USAM_INLINE inline void differentiate(const Gradients& g, int64_t begin, int64_t end) {
  const float *dy = g.dy, *gate = g.gate, *up = g.up;
  float* __restrict dgate = g.dgate, * __restrict dup = g.dup;
  for (int64_t i = begin; i < end; ++i) {
    const float x = gate[i], share = 1.0f / (1.0f + fast_exp(-x)), d = dy[i];
    dup[i] = d * (x * share);
    dgate[i] = d * up[i] * (share * (1.0f + x * (1.0f - share)));
  }
}

torch::Tensor multiplied(const torch::Tensor& gate, const torch::Tensor& up) {
  auto y = torch::empty_like(gate);
  const float *g = gate.data_ptr<float>(), *u = up.data_ptr<float>();
  float* out = y.data_ptr<float>();
  parallel_for(0, gate.numel(), kCpuGrain, [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE { multiply(g + begin, u + begin, out + begin, end - begin); });
  });
  return y;
}

class Swiglu : public torch::autograd::Function<Swiglu> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& gate, const torch::Tensor& up) {
    ctx->save_for_backward({gate, up});
    return multiplied(gate, up);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto dy = grads[0].contiguous();
    auto dgate = torch::empty_like(saved[0]), dup = torch::empty_like(saved[1]);
    const Gradients all{dy.data_ptr<float>(), saved[0].data_ptr<float>(), saved[1].data_ptr<float>(),
                        dgate.data_ptr<float>(), dup.data_ptr<float>()};
    parallel_for(0, dy.numel(), kCpuGrain,
                 [&](int64_t begin, int64_t end) { widest([&]() USAM_INLINE { differentiate(all, begin, end); }); });
    return {dgate, dup};
  }
};

}  // namespace

torch::Tensor swiglu(const torch::Tensor& gate, const torch::Tensor& up) {
  if (!is_plain_fp32(gate) || !is_plain_fp32(up) || gate.sizes() != up.sizes()) return torch::silu(gate) * up;
  return makes_graph(gate, up) ? Swiglu::apply(gate, up) : multiplied(gate, up);
}

}  // namespace usam::nn
