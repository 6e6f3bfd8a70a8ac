// B rows, T frames, W windows of a row, N windows that hold a frame, Q queries, K frames of a window, D hidden width.
#include "src/nn/qformer.h"

#include <ATen/ceil_div.h>
#include <fmt/format.h>

#include "src/nn/dropout.h"
#include "src/nn/heads.h"
#include "src/tensor/touch.h"

namespace usam::nn {
namespace {

torch::nn::LayerNorm layer_norm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(1e-12));
}

int64_t intermediate_width(const WindowQFormerConfig& c) {
  return c.intermediate.value_or(4 * c.hidden);
}

}  // namespace

void describe(Fields& f, WindowQFormerConfig& c) {
  f("window", c.window, "frames of a window").at_least(1);
  f("queries", c.queries, "audio tokens of a window").at_least(1);
  f("layers", c.layers, "number of blocks").at_least(1);
  f("hidden", c.hidden, "width of the blocks").at_least(1);
  f("heads", c.heads, "attention heads").at_least(1);
  f("intermediate", c.intermediate, "width of the feed-forward part; null: 4 x hidden").at_least(1);
  f("dropout", c.dropout, "dropout of attention and of every sum").at_least(0).at_most(1);
  f("prune", c.prune, "drop the least important audio tokens before the language model; null: keep all");
  f.rule([&c] {
    return c.heads > 0 && c.hidden % c.heads != 0
               ? fmt::format("hidden ({}) must be a multiple of heads ({}).", c.hidden, c.heads)
               : std::string();
  });
}

QFormerAttentionImpl::QFormerAttentionImpl(const WindowQFormerConfig& config, int64_t context_width)
    : heads_(config.heads),
      dropout_(config.dropout),
      query_(register_module("query", Linear(config.hidden, config.hidden))),
      key_(register_module("key", Linear(context_width, config.hidden))),
      value_(register_module("value", Linear(context_width, config.hidden))),
      output_(register_module("output", Linear(config.hidden, config.hidden))) {}

torch::Tensor QFormerAttentionImpl::among_queries(const torch::Tensor& x_NQD) {
  const double dropout = dropout_now();
  // One query attends to itself alone, whatever the scores.
  if (x_NQD.size(1) == 1 && dropout == 0)
    return output_->forward(touch(value_->forward(x_NQD), {query_->weight, query_->bias, key_->weight, key_->bias}));
  const auto query = split_heads(query_->forward(x_NQD), heads_), key = split_heads(key_->forward(x_NQD), heads_);
  const auto value = split_heads(value_->forward(x_NQD), heads_);
  const auto mixed = at::scaled_dot_product_attention(query, key, value, {}, dropout);
  return output_->forward(mixed.transpose(1, 2).flatten(2));
}

torch::Tensor QFormerAttentionImpl::to_frames(const torch::Tensor& x_NQD, const Windows& windows) {
  return output_->forward(attend_windows(query_->forward(x_NQD), windows, key_, value_, {heads_, dropout_now()}));
}

QFormerLayerImpl::QFormerLayerImpl(const WindowQFormerConfig& config, int64_t context_width)
    : dropout_(config.dropout),
      self_attention_(register_module("self_attention", QFormerAttention(config, config.hidden))),
      cross_attention_(register_module("cross_attention", QFormerAttention(config, context_width))),
      up_(register_module("up", Linear(config.hidden, intermediate_width(config)))),
      down_(register_module("down", Linear(intermediate_width(config), config.hidden))),
      self_attention_norm_(register_module("self_attention_norm", layer_norm(config.hidden))),
      cross_attention_norm_(register_module("cross_attention_norm", layer_norm(config.hidden))),
      feed_forward_norm_(register_module("feed_forward_norm", layer_norm(config.hidden))) {}

torch::Tensor QFormerLayerImpl::drop(const torch::Tensor& x_NQD) const {
  return nn::dropout(x_NQD, dropout_, is_training());
}

torch::Tensor QFormerLayerImpl::forward(const torch::Tensor& x_NQD, const Windows& windows) {
  auto x = self_attention_norm_(drop(self_attention_->among_queries(x_NQD)) + x_NQD);
  x = cross_attention_norm_(drop(cross_attention_->to_frames(x, windows)) + x);
  return feed_forward_norm_(drop(down_->forward(torch::gelu(up_->forward(x)))) + x);
}

WindowQFormerImpl::WindowQFormerImpl(const WindowQFormerConfig& config, int64_t input_width)
    : config_(config),
      query_(register_parameter("query", 0.02 * torch::randn({1, config.queries, config.hidden}))),
      norm_(register_module("norm", layer_norm(config.hidden))) {
  torch::nn::ModuleList list;
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(config, input_width);
    list->push_back(layers_.back());
  }
  register_module("layers", list);
}

int64_t WindowQFormerImpl::output_frames(int64_t frames) const {
  return at::ceil_div(frames, config_.window) * config_.queries;
}

// Only windows that hold a frame are computed; the others stay zero.
Frames WindowQFormerImpl::forward(const Frames& frames) {
  const auto B = frames.x_BTD.size(0), T = frames.x_BTD.size(1), Q = config_.queries;
  const auto K = config_.window, W = at::ceil_div(T, K);
  const auto device = frames.x_BTD.device();
  const auto windows_B = (frames.lengths_B + (K - 1)).floor_divide(K);
  const auto host_N = valid_places(windows_B, W, torch::kCPU), alive_N = to_device(host_N, device);
  const auto first_W = K * torch::arange(W, torch::kInt64);
  const auto counts_BW = (frames.lengths_B.unsqueeze(1) - first_W).clamp(0, K);
  const auto starts_BW = T * torch::arange(B, torch::kInt64).unsqueeze(1) + first_W;
  const auto of_alive = [&](const torch::Tensor& x_BW) {
    return to_device(x_BW.flatten().index_select(0, host_N), device);
  };
  const Windows windows{frames.x_BTD.contiguous(), of_alive(starts_BW), of_alive(counts_BW), K};
  // The queries of all windows are alike before dropout or frames tell them apart: one row stands for all.
  auto x_NQD = norm_(query_);
  if (is_training() && config_.dropout > 0)
    x_NQD = nn::dropout(x_NQD.expand({alive_N.size(0), -1, -1}).contiguous(), config_.dropout, true);
  for (auto& layer : layers_) x_NQD = layer->forward(x_NQD, windows);
  const auto out = torch::zeros({B * W, Q, config_.hidden}, x_NQD.options()).index_copy(0, alive_N, x_NQD);
  return {out.view({B, W * Q, config_.hidden}), windows_B * Q,
          frames.hz / static_cast<double>(K) * static_cast<double>(Q)};
}

}  // namespace usam::nn
