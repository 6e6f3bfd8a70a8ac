#include "src/nn/self_attention.h"

#include "src/nn/bf16_attention.h"
#include "src/nn/fp32_attention.h"
#include "src/nn/heads.h"
#include "src/tensor/frames.h"

namespace usam::nn {

torch::Tensor key_padding_mask(const torch::Tensor& lengths_B, int64_t size, torch::Device device) {
  if (size == 0 || lengths_B.min().item<int64_t>() >= size) return {};
  return length_mask(lengths_B.clamp_min(1), size, device).unsqueeze(1).unsqueeze(1);
}

SelfAttentionImpl::SelfAttentionImpl(const SelfAttentionOptions& options) : heads_(options.heads) {
  TORCH_CHECK(options.heads > 0 && options.width % options.heads == 0, "heads must divide the width");
  const int64_t width = options.width;
  q_proj_ = register_module("q_proj", Linear(width, width, options.query_value_bias));
  k_proj_ = register_module("k_proj", Linear(width, width, options.key_bias));
  v_proj_ = register_module("v_proj", Linear(width, width, options.query_value_bias));
  out_proj_ = register_module("out_proj", Linear(width, width));
}

torch::Tensor SelfAttentionImpl::forward(const torch::Tensor& x_BTD, const torch::Tensor& key_mask_B11T) {
  const auto queries = split_heads(q_proj_(x_BTD), heads_);
  const auto keys = split_heads(k_proj_(x_BTD), heads_);
  const auto values = split_heads(v_proj_(x_BTD), heads_);
  const bool in_bf16 = rounds_activations(q_proj_->store()) && can_attend_in_bf16(queries, keys, values);
  if (in_bf16 || can_attend_in_fp32(queries, keys, values)) {
    const auto keys_B = key_mask_B11T.defined() ? key_mask_B11T.sum({1, 2, 3})
                                                : torch::full({x_BTD.size(0)}, x_BTD.size(1), torch::kLong);
    return out_proj_(in_bf16 ? bf16_attention(queries, keys, values, keys_B)
                             : fp32_attention(queries, keys, values, keys_B));
  }
  std::optional<torch::Tensor> mask;
  if (key_mask_B11T.defined()) mask = key_mask_B11T;
  const auto mixed = torch::scaled_dot_product_attention(queries, keys, values, mask);
  return out_proj_(mixed.transpose(1, 2).flatten(2));
}

}  // namespace usam::nn
