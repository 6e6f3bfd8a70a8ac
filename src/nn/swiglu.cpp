#include "src/nn/swiglu.h"

#include <ATen/Parallel.h>

#include <bit>

#include "src/nn/cpu_kernel.h"

namespace usam::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// e^x within 2 units in the last place, in a form that compilers vectorise: 2^n from the bits of an integer, and a
// polynomial for what remains of x (its coefficients are those of the Cephes library).
inline float exp_of(float x) {
  x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  const float shifted = x * 1.44269504f + 12582912.0f;  // rounds: the number 1.5 * 2^23 has no bits for fractions
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return std::bit_cast<float>(std::bit_cast<int32_t>(p) + (std::bit_cast<int32_t>(shifted) << 23));
}

USAM_CPU_CLONES void multiply(const float* gate, const float* up, float* __restrict y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] / (1.0f + exp_of(-gate[i])) * up[i];
}

struct Gradients {
  const float *dy, *gate, *up;
  float *dgate, *dup;
};

USAM_CPU_CLONES void differentiate(const Gradients& g, int64_t begin, int64_t end) {
  const float *dy = g.dy, *gate = g.gate, *up = g.up;
  float* __restrict dgate = g.dgate, * __restrict dup = g.dup;
  for (int64_t i = begin; i < end; ++i) {
    const float x = gate[i], share = 1.0f / (1.0f + exp_of(-x)), d = dy[i];
    dup[i] = d * (x * share);
    dgate[i] = d * up[i] * (share * (1.0f + x * (1.0f - share)));
  }
}

torch::Tensor multiplied(const torch::Tensor& gate, const torch::Tensor& up) {
  auto y = torch::empty_like(gate);
  const float *g = gate.data_ptr<float>(), *u = up.data_ptr<float>();
  float* out = y.data_ptr<float>();
  at::parallel_for(0, gate.numel(), kCpuGrain,
                   [&](int64_t begin, int64_t end) { multiply(g + begin, u + begin, out + begin, end - begin); });
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
    at::parallel_for(0, dy.numel(), kCpuGrain, [&](int64_t begin, int64_t end) { differentiate(all, begin, end); });
    return {dgate, dup};
  }
};

}  // namespace

torch::Tensor swiglu(const torch::Tensor& gate, const torch::Tensor& up) {
  if (!is_plain_fp32(gate) || !is_plain_fp32(up) || gate.sizes() != up.sizes()) return torch::silu(gate) * up;
  return makes_graph(gate, up) ? Swiglu::apply(gate, up) : multiplied(gate, up);
}

}  // namespace usam::nn
