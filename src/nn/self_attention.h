#pragma once
// Bidirectional self-attention of encoders. B batch, T positions, D width.
#include <torch/torch.h>

#include "src/nn/linear.h"

namespace usam::nn {

// Which keys may be attended to: bool (B, 1, 1, T) on `device`, true in the first `lengths_B[b]` positions of row b, or
// an undefined tensor when every row is full, so that attention takes its fast path. A row of length 0 sees its first
// key: its outputs mean nothing, but stay finite. lengths (B) int64 in host memory.
torch::Tensor key_padding_mask(const torch::Tensor& lengths_B, int64_t size, torch::Device device);

struct SelfAttentionOptions {
  int64_t width = 0;
  int64_t heads = 0;
  bool query_value_bias = true;
  bool key_bias = true;  // Whisper has none
};

// Multi-head self-attention with projections q_proj, k_proj, v_proj and out_proj; scores are scaled by 1 / sqrt(width /
// heads). No dropout.
class SelfAttentionImpl : public torch::nn::Module {
 public:
  explicit SelfAttentionImpl(const SelfAttentionOptions& options);
  // x (B, T, D), mask as key_padding_mask gives it -> (B, T, D).
  torch::Tensor forward(const torch::Tensor& x_BTD, const torch::Tensor& key_mask_B11T);

 private:
  int64_t heads_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, out_proj_{nullptr};
};
TORCH_MODULE(SelfAttention);

}  // namespace usam::nn
