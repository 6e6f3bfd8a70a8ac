#pragma once
// The decoder-only transformer that Llama, Mistral and Qwen share: pre-norm blocks of grouped-query attention with
// rotary positions and a SwiGLU feed-forward layer (reference: transformers, models/llama/modeling_llama.py). Parameter
// paths are those of Hugging Face: model.layers.0.self_attn.q_proj.weight, ... B rows, T positions, D width, H query
// heads, G key/value heads, K head width; N positions of packed sequences, which are one axis instead of B and T.
#include <torch/torch.h>

#include <memory>
#include <optional>
#include <vector>

#include "src/models/language_model.h"
#include "src/models/llama/cache.h"
#include "src/models/llama/config.h"
#include "src/nn/causal_attention.h"
#include "src/nn/linear.h"
#include "src/nn/packed_attention.h"
#include "src/nn/rms_norm.h"
#include "src/nn/rope.h"
#include "src/tensor/block.h"

namespace usam::llama {

// What all layers of one forward pass share.
struct Pass {
  nn::Rotation rotation;
  nn::CausalMask mask, sliding_mask;  // the second for layers with a window
  Cache* cache = nullptr;
  std::shared_ptr<const nn::Packing> packing{}, sliding_packing{};  // instead of masks, where B and T are one axis
};

class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(const Sizes& sizes, const Family& family, int64_t layer);
  torch::Tensor forward(const torch::Tensor& x_BTD, const Pass& pass);

 private:
  int64_t layer_, head_dim_;
  bool has_window_;
  nn::Linear q_proj_, k_proj_, v_proj_, o_proj_;
  nn::RmsNorm q_norm_{nullptr}, k_norm_{nullptr};  // null unless the family has them
};
TORCH_MODULE(Attention);

class FeedForwardImpl : public torch::nn::Module {
 public:
  explicit FeedForwardImpl(const Sizes& sizes);
  torch::Tensor forward(const torch::Tensor& x_BTD);

 private:
  nn::Linear gate_proj_, up_proj_, down_proj_;
};
TORCH_MODULE(FeedForward);

class BlockImpl : public usam::Block {
 public:
  BlockImpl(const Sizes& sizes, const Family& family, int64_t layer);
  torch::Tensor forward(const torch::Tensor& x_BTD, const Pass& pass);

 private:
  nn::RmsNorm input_layernorm_, post_attention_layernorm_;
  Attention self_attn_;
  FeedForward mlp_;
};
TORCH_MODULE(Block);

// A table of vectors; initialised by whoever builds the model.
class EmbeddingImpl : public torch::nn::Module {
 public:
  EmbeddingImpl(int64_t rows, int64_t width) { weight = register_parameter("weight", torch::empty({rows, width})); }
  torch::Tensor forward(const torch::Tensor& ids) { return torch::embedding(weight, ids); }

  torch::Tensor weight;
};
TORCH_MODULE(Embedding);

// Everything but the output projection: "model." in parameter paths.
class TrunkImpl : public torch::nn::Module {
 public:
  TrunkImpl(const Sizes& sizes, const Family& family);

  Embedding embed_tokens;
  torch::nn::ModuleList layers;
  nn::RmsNorm norm;
};
TORCH_MODULE(Trunk);

class Decoder final : public LanguageModel {
 public:
  // Weights are left for the caller to fill.
  Decoder(const Sizes& sizes, const Family& family);

  torch::Tensor embed(const torch::Tensor& ids) override;
  torch::Tensor forward(const torch::Tensor& embeds_BTD, const torch::Tensor& positions_BT,
                        const torch::Tensor& segments_BT, KvCache* cache = nullptr) override;
  torch::Tensor forward_packed(const torch::Tensor& embeds_ND, const std::vector<int64_t>& lengths,
                               KvCache* cache = nullptr) override;
  // What transformers returns as hidden_states: the input, every block's output, the last one after the final norm.
  std::vector<torch::Tensor> states(const torch::Tensor& embeds_BTD, const torch::Tensor& positions_BT,
                                    const torch::Tensor& segments_BT);
  torch::Tensor logits(const torch::Tensor& hidden) override;
  std::unique_ptr<KvCache> make_cache() const override { return std::make_unique<Cache>(sizes_.layers); }
  int64_t width() const override { return sizes_.hidden; }
  int64_t vocab_size() const override { return sizes_.vocab; }
  void untie() override;
  // Keeps a tied table in bfloat16, frozen, to be multiplied with as WeightStore::kBFloat16Dynamic says.
  void keep_table_in_bfloat16();
  const Sizes& sizes() const { return sizes_; }
  const torch::Tensor& rope_frequencies() const { return frequencies_; }

 private:
  static Cache* own(KvCache* cache);
  Pass prepare(const torch::Tensor& positions_BT, const torch::Tensor& segments_BT, Cache* cache) const;
  torch::Tensor run(const torch::Tensor& embeds, const Pass& pass);
  bool keeps_int8();  // some linear layer's weight, whose store (weight_store.h) is set once
  // In inference mode a tied output projection is kept in int8 beside the table where linear layers' weights are.
  const nn::StoredWeight& head_in_int8();
  // A model kept in a lower type than fp32 is computed in that type.
  torch::Tensor in_type_of_weights(const torch::Tensor& x) const;

  Sizes sizes_;
  Trunk trunk_;
  nn::Linear lm_head_{nullptr};  // null when tied
  nn::StoredWeight head_;        // of the table as it was then:
  std::pair<const void*, uint32_t> head_of_{};
  std::optional<bool> keeps_int8_;
  bool keeps_table_ = false;   // keep_table_in_bfloat16()
  torch::Tensor frequencies_;  // no buffer: it stays fp32 when the module is cast
};

}  // namespace usam::llama
