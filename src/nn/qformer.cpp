// B rows, T frames, N windows that hold a frame, Q queries, K frames of a window, D hidden width, C input width.
#include "src/nn/qformer.h"

#include "src/base/error.h"

namespace usam::nn {
namespace {

torch::nn::LayerNorm layer_norm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(1e-12));
}

// (N, K, heads x H) -> (N, heads, K, H).
torch::Tensor split_heads(const torch::Tensor& x, int64_t heads) {
  return x.view({x.size(0), x.size(1), heads, x.size(2) / heads}).transpose(1, 2);
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

torch::Tensor QFormerAttentionImpl::forward(const torch::Tensor& x_NQD, const torch::Tensor& context_NKC,
                                            const torch::Tensor& mask) {
  const auto query = split_heads(query_->forward(x_NQD), heads_);
  const auto key = split_heads(key_->forward(context_NKC), heads_);
  const auto value = split_heads(value_->forward(context_NKC), heads_);
  const std::optional<torch::Tensor> keep = mask.defined() ? std::optional(mask) : std::nullopt;
  const auto mixed = at::scaled_dot_product_attention(query, key, value, keep, is_training() ? dropout_ : 0.0);
  return output_->forward(mixed.transpose(1, 2).flatten(2));
}

QFormerLayerImpl::QFormerLayerImpl(const WindowQFormerConfig& config, int64_t context_width)
    : self_attention_(register_module("self_attention", QFormerAttention(config, config.hidden))),
      cross_attention_(register_module("cross_attention", QFormerAttention(config, context_width))),
      up_(register_module("up", Linear(config.hidden, intermediate_width(config)))),
      down_(register_module("down", Linear(intermediate_width(config), config.hidden))),
      self_attention_norm_(register_module("self_attention_norm", layer_norm(config.hidden))),
      cross_attention_norm_(register_module("cross_attention_norm", layer_norm(config.hidden))),
      feed_forward_norm_(register_module("feed_forward_norm", layer_norm(config.hidden))),
      dropout_(register_module("dropout", torch::nn::Dropout(config.dropout))) {}

torch::Tensor QFormerLayerImpl::forward(const torch::Tensor& x_NQD, const torch::Tensor& context_NKC,
                                        const torch::Tensor& mask) {
  auto x = self_attention_norm_(dropout_(self_attention_->forward(x_NQD, x_NQD, {})) + x_NQD);
  x = cross_attention_norm_(dropout_(cross_attention_->forward(x, context_NKC, mask)) + x);
  return feed_forward_norm_(dropout_(down_->forward(torch::gelu(up_->forward(x)))) + x);
}

WindowQFormerImpl::WindowQFormerImpl(const WindowQFormerConfig& config, int64_t input_width)
    : config_(config),
      query_(register_parameter("query", 0.02 * torch::randn({1, config.queries, config.hidden}))),
      norm_(register_module("norm", layer_norm(config.hidden))),
      dropout_(register_module("dropout", torch::nn::Dropout(config.dropout))) {
  torch::nn::ModuleList list;
  for (int64_t i = 0; i < config.layers; ++i) {
    layers_.emplace_back(config, input_width);
    list->push_back(layers_.back());
  }
  register_module("layers", list);
}

int64_t WindowQFormerImpl::output_frames(int64_t frames) const {
  return (frames + config_.window - 1) / config_.window * config_.queries;
}

Frames WindowQFormerImpl::forward(const Frames& frames) {
  const auto B = frames.x_BTD.size(0), T = frames.x_BTD.size(1), C = frames.x_BTD.size(2);
  const auto K = config_.window, windows = (T + K - 1) / K, Q = config_.queries;
  const auto missing = windows * K - T;
  const auto x_BKC = torch::constant_pad_nd(frames.x_BTD, {0, 0, 0, missing}).view({B * windows, K, C});
  const auto valid_BK = torch::constant_pad_nd(frames.valid_BT, {0, missing}, false).view({B * windows, K});
  // Only windows that hold a frame are computed; the others stay zero.
  const auto alive = valid_BK.any(1);
  const auto alive_N = alive.nonzero().squeeze(1);
  const auto context_NKC = x_BKC.index_select(0, alive_N);
  const auto mask = valid_BK.index_select(0, alive_N).view({-1, 1, 1, K});
  auto x_NQD = dropout_(norm_(query_).expand({alive_N.size(0), -1, -1}));
  for (auto& layer : layers_) x_NQD = layer->forward(x_NQD, context_NKC, mask);
  const auto out = torch::zeros({B * windows, Q, config_.hidden}, x_NQD.options()).index_copy(0, alive_N, x_NQD);
  const auto tokens_valid = alive.view({B, windows}).repeat_interleave(Q, 1);
  return {out.view({B, windows * Q, config_.hidden}), tokens_valid,
          frames.hz / static_cast<double>(K) * static_cast<double>(Q)};
}

}  // namespace usam::nn
