// One pass over the rows each way; beside x only 1 / rms of each row is kept for the backward pass.
// N rows, D width, C parts of the rows.
#include "src/nn/rms_norm.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "src/nn/cpu_kernel.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct RowsOf {
  const float *x, *added, *weight;  // added: null, or what is added to x first
  float *sum, *y, *scale;           // sum: where that goes; scale: 1 / rms of each row
  int64_t width;
  double eps;
};

USAM_INLINE inline void normalise(const RowsOf& r, int64_t begin, int64_t end) {
  const int64_t width = r.width;
  for (int64_t n = begin; n < end; ++n) {
    const float* x = r.x + n * width;
    float* __restrict y = r.y + n * width;
    if (r.added) {
      const float* added = r.added + n * width;
      float* __restrict sum = r.sum + n * width;
      for (int64_t i = 0; i < width; ++i) sum[i] = x[i] + added[i];
      x = sum;
    }
    const auto mean = dot(x, x, width) / static_cast<float>(width);
    const float scale = 1.0f / std::sqrt(mean + static_cast<float>(r.eps));
    for (int64_t k = 0; k < width; ++k) y[k] = r.weight[k] * (x[k] * scale);
    if (r.scale) r.scale[n] = scale;
  }
}

struct GradientsOf {
  const float *dy, *x, *weight, *scale;
  const float* more;  // null, or a gradient of x from elsewhere, to be added
  float *dx, *dweight;
  int64_t width;
};

// dx = scale * (g - x^ mean(g x^)) with g = dy * weight and x^ = x * scale.
USAM_INLINE inline void input_gradients(const GradientsOf& r, int64_t begin, int64_t end) {
  const int64_t width = r.width;
  const float* weight = r.weight;
  for (int64_t n = begin; n < end; ++n) {
    const float *dy = r.dy + n * width, *x = r.x + n * width;
    float* __restrict dx = r.dx + n * width;
    float parts[kLanes] = {}, product = 0;
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes)
      for (int64_t j = 0; j < kLanes; ++j) parts[j] += dy[i + j] * weight[i + j] * x[i + j];
    for (; i < width; ++i) product += dy[i] * weight[i] * x[i];
    for (const float part : parts) product += part;
    const float scale = r.scale[n];
    const float along = product * scale * scale * scale / static_cast<float>(width);
    if (r.more) {
      const float* more = r.more + n * width;
      for (int64_t k = 0; k < width; ++k) dx[k] = more[k] + (scale * (dy[k] * weight[k]) - along * x[k]);
    } else {
      for (int64_t k = 0; k < width; ++k) dx[k] = scale * (dy[k] * weight[k]) - along * x[k];
    }
  }
}

USAM_INLINE inline void weight_gradient(const GradientsOf& r, int64_t begin, int64_t end, float* __restrict sum) {
  const int64_t width = r.width;
  for (int64_t n = begin; n < end; ++n) {
    const float *dy = r.dy + n * width, *x = r.x + n * width;
    const float scale = r.scale[n];
    for (int64_t k = 0; k < width; ++k) sum[k] += dy[k] * (x[k] * scale);
  }
}

// Rows of a tensor, and where they are.
struct Rows {
  explicit Rows(const torch::Tensor& x)
      : width(x.size(-1)), count(width ? x.numel() / width : 0), grain(std::max<int64_t>(1, kCpuGrain / (width + 1))) {}
  int64_t width, count, grain;
};

// `scale_N` undefined: not asked for.
void normalise_all(const torch::Tensor& x, const torch::Tensor& added, const torch::Tensor& weight, double eps,
                   torch::Tensor& sum, torch::Tensor& y, torch::Tensor& scale_N) {
  const Rows rows(x);
  auto data = [](const torch::Tensor& t) { return t.defined() ? t.data_ptr<float>() : nullptr; };
  const RowsOf all{data(x), data(added), data(weight), data(sum), data(y), data(scale_N), rows.width, eps};
  parallel_for(0, rows.count, rows.grain,
               [&](int64_t begin, int64_t end) { widest([&]() USAM_INLINE { normalise(all, begin, end); }); });
}

// The sum over rows is made in as many parts as there are threads, so that it does not depend on their timing.
torch::Tensor weight_gradient_of(const GradientsOf& all, const Rows& rows) {
  const int64_t parts = std::clamp<int64_t>(rows.count / rows.grain, 1, at::get_num_threads());
  auto sums_CD = torch::zeros({parts, rows.width});
  parallel_for(0, parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c)
      widest([&]() USAM_INLINE {
        weight_gradient(all, c * rows.count / parts, (c + 1) * rows.count / parts,
                        sums_CD.data_ptr<float>() + c * rows.width);
      });
  });
  return parts == 1 ? sums_CD.squeeze(0) : sums_CD.sum(0);
}

// Gradients of x and weight; `more` undefined, or a gradient that x has from elsewhere.
std::pair<torch::Tensor, torch::Tensor> gradients(const variable_list& saved, const torch::Tensor& dy_given,
                                                  const torch::Tensor& more_given, bool for_x, bool for_weight) {
  const auto &x = saved[0], &weight = saved[1], &scale_N = saved[2];
  const auto dy = dy_given.contiguous();
  const auto more = more_given.defined() ? more_given.contiguous() : more_given;
  const Rows rows(x);
  torch::Tensor dx, dweight;
  GradientsOf all{dy.data_ptr<float>(),
                  x.data_ptr<float>(),
                  weight.data_ptr<float>(),
                  scale_N.data_ptr<float>(),
                  more.defined() ? more.data_ptr<float>() : nullptr,
                  nullptr,
                  nullptr,
                  rows.width};
  if (for_x) {
    dx = torch::empty_like(x);
    all.dx = dx.data_ptr<float>();
    parallel_for(0, rows.count, rows.grain,
                 [&](int64_t begin, int64_t end) { widest([&]() USAM_INLINE { input_gradients(all, begin, end); }); });
  }
  if (for_weight) dweight = weight_gradient_of(all, rows);
  return {dx, dweight};
}

class Norm : public torch::autograd::Function<Norm> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& x, const torch::Tensor& weight, double eps) {
    auto y = torch::empty_like(x), scale_N = torch::empty({Rows(x).count}, x.options());
    torch::Tensor no_sum;
    normalise_all(x, {}, weight, eps, no_sum, y, scale_N);
    ctx->save_for_backward({x, weight, scale_N});
    return y;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& dy) {
    const auto [dx, dweight] =
        gradients(ctx->get_saved_variables(), dy[0], {}, ctx->needs_input_grad(0), ctx->needs_input_grad(1));
    return {dx, dweight, {}};
  }
};

class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  static variable_list forward(AutogradContext* ctx, const torch::Tensor& x, const torch::Tensor& added,
                               const torch::Tensor& weight, double eps) {
    auto sum = torch::empty_like(x), y = torch::empty_like(x), scale_N = torch::empty({Rows(x).count}, x.options());
    normalise_all(x, added, weight, eps, sum, y, scale_N);
    ctx->save_for_backward({sum, weight, scale_N});
    ctx->set_materialize_grads(false);
    return {sum, y};
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto &dsum = grads[0], &dy = grads[1];
    if (!dy.defined()) return {dsum, dsum, {}, {}};
    const bool for_x = ctx->needs_input_grad(0) || ctx->needs_input_grad(1);
    const auto [dx, dweight] = gradients(ctx->get_saved_variables(), dy, dsum, for_x, ctx->needs_input_grad(2));
    return {dx, dx, dweight, {}};
  }
};

}  // namespace

torch::Tensor composite_rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps) {
  auto wide = x.to(torch::kFloat);
  auto normed = wide * torch::rsqrt(wide.square().mean(-1, true) + eps);
  return weight * normed.to(x.scalar_type());
}

RmsNormImpl::RmsNormImpl(int64_t width, double eps) : eps_(eps) {
  weight = register_parameter("weight", torch::ones(width));
}

torch::Tensor RmsNormImpl::forward(const torch::Tensor& x) {
  if (!is_plain_fp32(x) || !is_plain_fp32(weight)) return composite_rms_norm(x, weight, eps_);
  if (makes_graph(x, weight)) return Norm::apply(x, weight, eps_);
  torch::Tensor none, y = torch::empty_like(x);
  normalise_all(x, {}, weight, eps_, none, y, none);
  return y;
}

std::pair<torch::Tensor, torch::Tensor> RmsNormImpl::add(const torch::Tensor& x, const torch::Tensor& y) {
  if (!is_plain_fp32(x) || !is_plain_fp32(y) || !is_plain_fp32(weight) || x.sizes() != y.sizes()) {
    auto sum = x + y;
    return {sum, forward(sum)};
  }
  if (makes_graph(x, y, weight)) {
    auto both = AddNorm::apply(x, y, weight, eps_);
    return {both[0], both[1]};
  }
  torch::Tensor none, sum = torch::empty_like(x), normed = torch::empty_like(x);
  normalise_all(x, y, weight, eps_, sum, normed, none);
  return {sum, normed};
}

}  // namespace usam::nn
