#pragma once
// Window-level Q-Former (SALMONN, U-SAM): BLIP-2's blocks over short windows of frames.
#include <string>
#include <vector>

#include "src/nn/bridge.h"
#include "src/nn/linear.h"
#include "src/nn/window_attention.h"

namespace usam::nn {

struct WindowQFormerConfig {
  int64_t window = 17;  // frames
  int64_t queries = 1;  // learned vectors, so tokens, per window
  int64_t layers = 2;
  int64_t hidden = 768;
  int64_t heads = 12;
  std::optional<int64_t> intermediate;  // null: 4 x hidden
  double dropout = 0.1;
  std::optional<PruneConfig> prune;
};
void describe(Fields& f, WindowQFormerConfig& c);

// Among the queries of a window, or from them to its frames, with the projections.
class QFormerAttentionImpl : public torch::nn::Module {
 public:
  QFormerAttentionImpl(const WindowQFormerConfig& config, int64_t context_width);
  // x (N, Q, hidden) -> the same.
  torch::Tensor among_queries(const torch::Tensor& x_NQD);
  // x (N or 1, Q, hidden) -> (N, Q, hidden).
  torch::Tensor to_frames(const torch::Tensor& x_NQD, const Windows& windows);

 private:
  double dropout_now() const { return is_training() ? dropout_ : 0; }

  int64_t heads_;
  double dropout_;
  Linear query_, key_, value_, output_;
};
TORCH_MODULE(QFormerAttention);

// Self-attention among the queries, cross-attention to the frames, feed-forward; a layer norm after each sum (eps
// 1e-12).
class QFormerLayerImpl : public torch::nn::Module {
 public:
  QFormerLayerImpl(const WindowQFormerConfig& config, int64_t context_width);
  // x (N or 1, Q, hidden) -> (N, Q, hidden).
  torch::Tensor forward(const torch::Tensor& x_NQD, const Windows& windows);

 private:
  torch::Tensor drop(const torch::Tensor& x_NQD) const;

  double dropout_;
  QFormerAttention self_attention_, cross_attention_;
  Linear up_, down_;
  torch::nn::LayerNorm self_attention_norm_, cross_attention_norm_, feed_forward_norm_;
};
TORCH_MODULE(QFormerLayer);

// Cuts frames into non-overlapping windows (the last one partial and masked, never dropped) and gives `queries` tokens
// for each window that holds a frame. Parameters: query (1, Q, hidden), norm, layers.N.
class WindowQFormerImpl : public Bridge {
 public:
  // input_width: channels of the fused frames.
  WindowQFormerImpl(const WindowQFormerConfig& config, int64_t input_width);
  Frames forward(const Frames& frames) override;
  int64_t output_frames(int64_t frames) const override;
  int64_t width() const override { return config_.hidden; }
  double keep() const override { return config_.prune ? config_.prune->keep : 1; }
  const WindowQFormerConfig& config() const { return config_; }

 private:
  WindowQFormerConfig config_;
  torch::Tensor query_;
  torch::nn::LayerNorm norm_;
  std::vector<QFormerLayer> layers_;
};
TORCH_MODULE(WindowQFormer);

}  // namespace usam::nn
