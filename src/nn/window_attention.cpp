// N windows, K frames of a window, Q queries of a window, M = N x Q queries, R of them given (M, or Q for all windows
// alike), H heads, D hidden width, d = D / H, C width of the frames.
#include "src/nn/window_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "src/nn/cpu_kernel.h"
#include "src/nn/dropout.h"
#include "src/nn/heads.h"
#include "src/tensor/frames.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

USAM_INLINE inline void add_scaled(float scale, const float* x, float* sum, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += scale * x[i];
}

// Pointers to what the loops below read and write; null where there is none.
struct Work {
  const float* x = nullptr;  // (B x T, C)
  const int64_t *starts = nullptr, *counts = nullptr;
  const float* keep = nullptr;  // (M, H, K): dropout's factors
  float* weights = nullptr;     // (M, H, K): softmax, 0 beyond the window's frames
  const float* u = nullptr;     // (H, R, C): W_k' q
  float* mean = nullptr;        // (H, M, C): of the frames, by the weights that dropout leaves
  const float* dmean = nullptr;
  const float* dtotal = nullptr;  // (M, H): gradient of the sum of the weights that dropout leaves
  float *du = nullptr, *dx = nullptr;
  int64_t queries = 0, size = 0, heads = 0, width = 0, all = 0, given = 0;  // Q, K, H, C, M, R
  float scale = 1;
};

USAM_INLINE inline void attend(const Work& w, int64_t begin, int64_t end) {
  const int64_t C = w.width;
  for (int64_t m = begin * w.queries; m < end * w.queries; ++m) {
    const int64_t n = m / w.queries, count = w.counts[n];
    const float* x = w.x + w.starts[n] * C;
    for (int64_t h = 0; h < w.heads; ++h) {
      float* weights = w.weights + (m * w.heads + h) * w.size;
      const float* keep = w.keep ? w.keep + (m * w.heads + h) * w.size : nullptr;
      const float* u = w.u + (h * w.given + m % w.given) * C;
      float* mean = w.mean + (h * w.all + m) * C;
      float most = -std::numeric_limits<float>::infinity(), sum = 0;
      for (int64_t k = 0; k < count; ++k) {
        weights[k] = w.scale * dot(u, x + k * C, C);
        most = std::max(most, weights[k]);
      }
      for (int64_t k = 0; k < count; ++k) {
        weights[k] = std::exp(weights[k] - most);
        sum += weights[k];
      }
      for (int64_t i = 0; i < C; ++i) mean[i] = 0;
      for (int64_t k = 0; k < count; ++k) {
        weights[k] /= sum;
        add_scaled(keep ? keep[k] * weights[k] : weights[k], x + k * C, mean, C);
      }
      for (int64_t k = count; k < w.size; ++k) weights[k] = 0;
    }
  }
}

// `scores` has place for the gradients of a window's scores.
USAM_INLINE inline void attend_backward(const Work& w, int64_t begin, int64_t end, float* scores) {
  const int64_t C = w.width;
  for (int64_t m = begin * w.queries; m < end * w.queries; ++m) {
    const int64_t n = m / w.queries, count = w.counts[n];
    const float* x = w.x + w.starts[n] * C;
    for (int64_t h = 0; h < w.heads; ++h) {
      const int64_t at = (m * w.heads + h) * w.size, row = (h * w.all + m) * C;
      const float *weights = w.weights + at, *dmean = w.dmean + row;
      float *mean = w.mean + row, *du = w.du + row, along = 0;
      for (int64_t k = 0; k < count; ++k) {
        scores[k] = dot(dmean, x + k * C, C);
        if (w.keep) scores[k] = w.keep[at + k] * (scores[k] + w.dtotal[m * w.heads + h]);
        along += weights[k] * scores[k];
      }
      for (int64_t i = 0; i < C; ++i) mean[i] = du[i] = 0;
      for (int64_t k = 0; k < count; ++k) {
        const float weight = w.keep ? w.keep[at + k] * weights[k] : weights[k];
        const float score = w.scale * weights[k] * (scores[k] - along);
        add_scaled(weight, x + k * C, mean, C);
        add_scaled(score, x + k * C, du, C);
        if (!w.dx) continue;
        float* dx = w.dx + (w.starts[n] + k) * C;
        add_scaled(weight, dmean, dx, C);
        add_scaled(score, w.u + (h * w.given + m % w.given) * C, dx, C);
      }
    }
  }
}

// (M, D) or a weight (D, C) by heads: (H, M, d), (H, d, C).
torch::Tensor rows_by_head(const torch::Tensor& x_MD, int64_t heads) {
  return x_MD.view({x_MD.size(0), heads, x_MD.size(1) / heads}).transpose(0, 1);
}
torch::Tensor weight_by_head(const torch::Tensor& weight_DC, int64_t heads) {
  return weight_DC.view({heads, -1, weight_DC.size(1)});
}

// What the passes share.
struct Call {
  torch::Tensor query_RD, x_BTC, starts_N, counts_N, key_DC, value_DC, value_D;
  int64_t queries = 0, size = 0, heads = 0;

  int64_t all() const { return starts_N.size(0) * queries; }
  torch::Tensor u_HRC() const { return rows_by_head(query_RD, heads).bmm(weight_by_head(key_DC, heads)); }
  Work work() const {
    Work w;
    w.x = x_BTC.const_data_ptr<float>();
    w.starts = starts_N.const_data_ptr<int64_t>(), w.counts = counts_N.const_data_ptr<int64_t>();
    w.queries = queries, w.size = size, w.heads = heads, w.width = x_BTC.size(2), w.all = all();
    w.given = query_RD.size(0);
    w.scale = 1 / std::sqrt(static_cast<float>(query_RD.size(1) / heads));
    return w;
  }
  // Over windows, whose frames no other one shares.
  template <class F>
  void for_windows(const F& loop) const {
    const int64_t numbers = queries * heads * size * x_BTC.size(2);
    parallel_for(0, starts_N.size(0), std::max<int64_t>(1, kCpuGrain / std::max<int64_t>(1, numbers)), loop);
  }
};

class Attend : public torch::autograd::Function<Attend> {
 public:
  // The keys' bias has no effect, but an edge in the graph: its gradient is zero, not absent.
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& query_RD, const torch::Tensor& x_BTC,
                               const torch::Tensor& key_DC, const torch::Tensor& key_D, const torch::Tensor& value_DC,
                               const torch::Tensor& value_D, const Windows& windows, int64_t queries,
                               const WindowAttentionOptions& options) {
    const Call call{query_RD, x_BTC,   windows.starts_N, windows.counts_N, key_DC,
                    value_DC, value_D, queries,          windows.size,     options.heads};
    const int64_t M = call.all(), H = call.heads;
    const auto u_HRC = call.u_HRC();
    auto weights_MHK = torch::empty({M, H, call.size}, query_RD.options());
    auto mean_HMC = torch::empty({H, M, x_BTC.size(2)}, query_RD.options());
    torch::Tensor keep_MHK, total_MH1;
    if (options.dropout > 0) keep_MHK = apply_dropout(torch::ones_like(weights_MHK), draw_dropout(options.dropout));
    Work w = call.work();
    w.u = u_HRC.const_data_ptr<float>(), w.mean = mean_HMC.data_ptr<float>();
    w.weights = weights_MHK.data_ptr<float>();
    if (keep_MHK.defined()) w.keep = keep_MHK.const_data_ptr<float>();
    call.for_windows([&](int64_t begin, int64_t end) { widest([&]() USAM_INLINE { attend(w, begin, end); }); });
    if (keep_MHK.defined()) total_MH1 = (weights_MHK * keep_MHK).sum(2, /*keepdim=*/true);
    const auto y_HMd = mean_HMC.bmm(weight_by_head(value_DC, H).transpose(1, 2));
    const auto bias_Hd = value_D.view({H, -1});
    ctx->save_for_backward({query_RD, x_BTC, windows.starts_N, windows.counts_N, key_DC, value_DC, value_D, weights_MHK,
                            keep_MHK, total_MH1, key_D});
    ctx->saved_data["queries"] = queries;
    ctx->saved_data["size"] = call.size;
    ctx->saved_data["heads"] = H;
    return (y_HMd.transpose(0, 1) + (total_MH1.defined() ? total_MH1 * bias_Hd : bias_Hd)).flatten(1);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &weights_MHK = saved[7], &keep_MHK = saved[8], &total_MH1 = saved[9];
    const Call call{saved[0],
                    saved[1],
                    saved[2],
                    saved[3],
                    saved[4],
                    saved[5],
                    saved[6],
                    ctx->saved_data["queries"].toInt(),
                    ctx->saved_data["size"].toInt(),
                    ctx->saved_data["heads"].toInt()};
    const int64_t M = call.all(), H = call.heads, C = call.x_BTC.size(2);
    const auto dy_MD = grads[0].contiguous();
    const auto dy_HMd = rows_by_head(dy_MD, H), dy_MHd = dy_MD.view({M, H, dy_MD.size(1) / H});
    const auto dmean_HMC = dy_HMd.bmm(weight_by_head(call.value_DC, H));
    auto mean_HMC = torch::empty_like(dmean_HMC), du_HMC = torch::empty_like(dmean_HMC);
    torch::Tensor dtotal_MH, u_HRC, dx_BTC;
    Work w = call.work();
    w.weights = weights_MHK.data_ptr<float>();
    w.dmean = dmean_HMC.const_data_ptr<float>(), w.mean = mean_HMC.data_ptr<float>(), w.du = du_HMC.data_ptr<float>();
    if (keep_MHK.defined()) {
      dtotal_MH = (dy_MHd * call.value_D.view({H, -1})).sum(2);
      w.keep = keep_MHK.const_data_ptr<float>(), w.dtotal = dtotal_MH.const_data_ptr<float>();
    }
    if (ctx->needs_input_grad(1)) {
      u_HRC = call.u_HRC(), dx_BTC = torch::zeros_like(call.x_BTC);
      w.u = u_HRC.const_data_ptr<float>(), w.dx = dx_BTC.data_ptr<float>();
    }
    call.for_windows([&](int64_t begin, int64_t end) {
      std::vector<float> scores(static_cast<size_t>(call.size));
      widest([&]() USAM_INLINE { attend_backward(w, begin, end, scores.data()); });
    });
    const auto du_HRC = w.given == M ? du_HMC : du_HMC.view({H, -1, w.given, C}).sum(1);
    const auto dquery_HRd = du_HRC.bmm(weight_by_head(call.key_DC, H).transpose(1, 2));
    const auto dkey_HdC = rows_by_head(call.query_RD, H).transpose(1, 2).bmm(du_HRC);
    const auto dvalue_HdC = dy_HMd.transpose(1, 2).bmm(mean_HMC);
    const auto dvalue_D = total_MH1.defined() ? (dy_MHd * total_MH1).sum(0).flatten() : dy_MD.sum(0);
    return {dquery_HRd.transpose(0, 1).flatten(1),
            dx_BTC,
            dkey_HdC.flatten(0, 1),
            torch::zeros_like(saved[10]),
            dvalue_HdC.flatten(0, 1),
            dvalue_D,
            {},
            {},
            {}};
  }
};

bool is_plain(const Linear& layer) {
  return !layer->update() && layer->bias.defined() && is_plain_fp32(layer->weight) && is_plain_fp32(layer->bias);
}

}  // namespace

torch::Tensor composite_attend_windows(const torch::Tensor& query_NQD, const Windows& windows, Linear& key,
                                       Linear& value, const WindowAttentionOptions& options) {
  const int64_t N = windows.starts_N.size(0), K = windows.size, C = windows.x_BTC.size(2);
  const auto frames = windows.x_BTC.flatten(0, 1);
  const auto place_NK = windows.starts_N.unsqueeze(1) + torch::arange(K, windows.starts_N.options());
  const auto mask_NK = length_mask(windows.counts_N, K);
  const auto context_NKC = frames.index_select(0, place_NK.masked_fill(~mask_NK, 0).flatten()).view({N, K, C});
  const auto mixed = at::scaled_dot_product_attention(
      split_heads(query_NQD.expand({N, -1, -1}), options.heads), split_heads(key(context_NKC), options.heads),
      split_heads(value(context_NKC), options.heads), mask_NK.view({N, 1, 1, K}), options.dropout);
  return mixed.transpose(1, 2).flatten(2);
}

torch::Tensor attend_windows(const torch::Tensor& query_NQD, const Windows& windows, Linear& key, Linear& value,
                             const WindowAttentionOptions& options) {
  const bool is_cheaper = query_NQD.size(1) < windows.size;
  const bool is_ours = is_plain_fp32(query_NQD) && is_plain_fp32(windows.x_BTC) && is_plain(key) && is_plain(value);
  if (!is_cheaper || !is_ours) return composite_attend_windows(query_NQD, windows, key, value, options);
  const int64_t Q = query_NQD.size(1);
  return Attend::apply(query_NQD.flatten(0, 1), windows.x_BTC, key->weight, key->bias, value->weight, value->bias,
                       windows, Q, options)
      .view({windows.starts_N.size(0), Q, query_NQD.size(2)});
}

}  // namespace usam::nn
