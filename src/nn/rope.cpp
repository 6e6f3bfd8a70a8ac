// B batch, T positions, H query heads, G key heads, K head width.
#include "src/nn/rope.h"

#include <algorithm>
#include <cmath>

#include "src/nn/cpu_kernel.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

// Wavelengths above original / low_freq_factor are divided by `factor`, those below original / high_freq_factor are
// left alone, those between are blended (transformers, modeling_rope_utils.py, _compute_llama3_parameters).
torch::Tensor stretch(const torch::Tensor& frequencies, const Llama3RopeScaling& s) {
  const double original = static_cast<double>(s.original_max_position_embeddings);
  auto wavelength = 2 * M_PI / frequencies;
  auto share = (original / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  auto blended = (1 - share) * frequencies / s.factor + share * frequencies;
  auto stretched = torch::where(wavelength > original / s.low_freq_factor, frequencies / s.factor, frequencies);
  auto between = (wavelength >= original / s.high_freq_factor) & (wavelength <= original / s.low_freq_factor);
  return torch::where(between, blended, stretched);
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Heads of some positions, and what they are turned by: `direction` 1 forwards, -1 back.
struct Turn {
  const float *x, *cos, *sin;
  float* y;
  int64_t heads, width;
  float direction;
};

USAM_INLINE inline void turn(const Turn& t, int64_t begin, int64_t end) {
  const int64_t width = t.width, half = t.width / 2;
  for (int64_t p = begin; p < end; ++p) {
    const float* __restrict cos = t.cos + p * width, * __restrict sin = t.sin + p * width;
    for (int64_t h = 0; h < t.heads; ++h) {
      const float* __restrict x = t.x + (p * t.heads + h) * width;
      float* __restrict y = t.y + (p * t.heads + h) * width;
      for (int64_t i = 0; i < half; ++i) {
        const float s = t.direction * sin[i];
        y[i] = x[i] * cos[i] - x[i + half] * s;
        y[i + half] = x[i + half] * cos[i] + x[i] * s;
      }
    }
  }
}

torch::Tensor turned(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin, float direction) {
  auto y = torch::empty_like(x);
  const int64_t heads = x.size(-2), width = x.size(-1), positions = cos.numel() / std::max<int64_t>(1, width);
  const Turn all{
      x.data_ptr<float>(), cos.data_ptr<float>(), sin.data_ptr<float>(), y.data_ptr<float>(), heads, width, direction};
  const int64_t grain = std::max<int64_t>(1, kCpuGrain / (heads * width + 1));
  parallel_for(0, positions, grain,
               [&](int64_t begin, int64_t end) { widest([&]() USAM_INLINE { turn(all, begin, end); }); });
  return y;
}

class Rotate : public torch::autograd::Function<Rotate> {
 public:
  static variable_list forward(AutogradContext* ctx, const torch::Tensor& queries, const torch::Tensor& keys,
                               const torch::Tensor& cos, const torch::Tensor& sin) {
    ctx->save_for_backward({cos, sin});
    return {turned(queries, cos, sin, 1), turned(keys, cos, sin, 1)};
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    variable_list back(4);
    for (size_t i = 0; i < 2; ++i)
      if (ctx->needs_input_grad(i)) back[i] = turned(grads[i].contiguous(), saved[0], saved[1], -1);
    return back;
  }
};

}  // namespace

torch::Tensor rope_frequencies(int64_t head_width, double theta, const RopeScaling& scaling) {
  auto exponents = torch::arange(0, head_width, 2, torch::kFloat) / static_cast<double>(head_width);
  auto frequencies = 1.0 / torch::pow(theta, exponents);
  if (const auto* linear = std::get_if<LinearRopeScaling>(&scaling)) return frequencies / linear->factor;
  if (const auto* llama3 = std::get_if<Llama3RopeScaling>(&scaling)) return stretch(frequencies, *llama3);
  return frequencies;
}

Rotation rotation(const torch::Tensor& frequencies, const torch::Tensor& positions_BT) {
  auto angles = positions_BT.unsqueeze(-1).to(torch::kFloat) * frequencies.to(positions_BT.device());
  auto both_halves = torch::cat({angles, angles}, -1).unsqueeze(-2);
  return {both_halves.cos(), both_halves.sin()};
}

torch::Tensor composite_rotate(const torch::Tensor& x_BTHK, const Rotation& by) {
  auto halves = x_BTHK.chunk(2, -1);
  auto turned = torch::cat({-halves[1], halves[0]}, -1);
  const auto type = x_BTHK.scalar_type();
  return x_BTHK * by.cos_BT1K.to(type) + turned * by.sin_BT1K.to(type);
}

std::tuple<torch::Tensor, torch::Tensor> rotate(const torch::Tensor& queries_BTHK, const torch::Tensor& keys_BTGK,
                                                const Rotation& by) {
  const auto &cos = by.cos_BT1K, &sin = by.sin_BT1K;
  if (!is_plain_fp32(queries_BTHK) || !is_plain_fp32(keys_BTGK) || !is_plain_fp32(cos) || !is_plain_fp32(sin))
    return {composite_rotate(queries_BTHK, by), composite_rotate(keys_BTGK, by)};
  if (!makes_graph(queries_BTHK, keys_BTGK)) return {turned(queries_BTHK, cos, sin, 1), turned(keys_BTGK, cos, sin, 1)};
  auto both = Rotate::apply(queries_BTHK, keys_BTGK, cos, sin);
  return {both[0], both[1]};
}

}  // namespace usam::nn
