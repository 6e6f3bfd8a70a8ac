#pragma once
#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "src/models/audio_encoder.h"
#include "src/models/ced/config.h"
#include "src/models/model_registry.h"
#include "src/nn/linear.h"
#include "src/nn/self_attention.h"

namespace usam {

struct CedSizes {
  int64_t width = 0, layers = 0, heads = 0, ffn = 0;
  int64_t target_length = 1012;  // mel frames of a chunk
  bool qkv_bias = true;
};

// Batch norm over the mel bands that always uses its running statistics and computes in fp32 (the input is in dB).
class CedBatchNormImpl : public torch::nn::Module {
 public:
  CedBatchNormImpl();
  torch::Tensor forward(const torch::Tensor& features_BTM);

  torch::Tensor weight, bias, running_mean, running_var;
};
TORCH_MODULE(CedBatchNorm);

class CedMlpImpl : public torch::nn::Module {
 public:
  CedMlpImpl(int64_t width, int64_t hidden);
  torch::Tensor forward(const torch::Tensor& x_BND);

 private:
  nn::Linear fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(CedMlp);

// One pre-norm block with exact GELU.
class CedBlockImpl : public torch::nn::Module {
 public:
  explicit CedBlockImpl(const CedSizes& sizes);
  torch::Tensor forward(const torch::Tensor& x_BND, const torch::Tensor& key_mask_B11N);

 private:
  torch::nn::LayerNorm norm1_{nullptr}, norm2_{nullptr};
  nn::SelfAttention attn_{nullptr};
  CedMlp mlp_{nullptr};
};
TORCH_MODULE(CedBlock);

// CED (Dinkel et al. 2023): dB mel, batch norm over bands, 16 x 16 patches (four bands a step of 16 frames), ViT. Long
// clips go through in chunks of `target_length` frames; a chunk without a whole step is skipped, none is dropped, keys
// of padding are masked. Tokens come in true time order: 4 t + band (`interleave`), or one of width 4 D per step
// (`fold`, channels band by band). Parameter paths are those of Hugging Face after `encoder.`, with attn.qkv split into
// q_proj, k_proj and v_proj and attn.proj called out_proj. No dropout in any mode.
class CedEncoder : public AudioEncoder {
 public:
  static constexpr int64_t kMels = 64, kPatch = 16, kBands = kMels / kPatch;

  CedEncoder(const CedSizes& sizes, CedBands bands);

  // features (B, T, 64) dB, lengths_B valid frames. States (B, N, width()): the first is the input of block 1, further
  // ones follow each block, without the closing norm that the last state has.
  EncoderOutput forward(const torch::Tensor& features_BTM, const torch::Tensor& lengths_B, bool all_states) override;
  // What the published model computes for whole clips of one length: tokens frequency-major (band * steps + t) within
  // each chunk, the last chunk of a long clip zero-padded and not masked, `bands` ignored. The published code loses the
  // last chunk when the frames are a multiple of target_length; here it is kept.
  EncoderOutput forward_published(const torch::Tensor& features_BTM, bool all_states);
  FrontEndSpec front_end() const override { return CedMelSpec{}; }
  int64_t output_frames(int64_t samples) const override;
  int64_t min_samples() const override { return kHop * (kPatch - 1); }
  int64_t width() const override { return bands_ == CedBands::kFold ? kBands * sizes_.width : sizes_.width; }
  int64_t num_states() const override { return sizes_.layers + 1; }
  std::string path_of(const std::string& tensor) const override;
  double hz() const override;
  double frame_time(int64_t index) const override;
  const CedSizes& sizes() const { return sizes_; }

 private:
  static constexpr int64_t kHop = 160;
  using States = std::vector<torch::Tensor>;

  torch::Tensor embed(const torch::Tensor& chunk_BTM);  // -> (B, D, bands, steps), positions added
  // All states of one chunk's tokens, or the last only; the model's output comes after them.
  States run_blocks(torch::Tensor x_BND, const torch::Tensor& key_mask_B11N, bool all_states);
  // One chunk, time-major; rows without a step come out as zeros and cost nothing.
  States encode_chunk(const torch::Tensor& chunk_BTM, const torch::Tensor& steps_B, bool all_states);
  EncoderOutput assemble(const std::vector<States>& chunks, const torch::Tensor& steps_B) const;

  CedSizes sizes_;
  CedBands bands_;
  CedBatchNorm init_bn_{nullptr};
  torch::nn::Conv2d patch_{nullptr};
  torch::Tensor time_pos_embed_, freq_pos_embed_;
  std::vector<CedBlock> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
};

// The sizes a config asks for. UserError for a folder without config.json, of another model, or of other sizes.
CedSizes ced_sizes(const CedConfig& config);
// Name of a tensor in a CED folder (Hugging Face layout or the names of the published checkpoints) -> path in
// CedEncoder;
// "" for the classifier and the front end. attn.qkv goes to q_proj; make_ced() splits it over k_proj and v_proj too.
std::string ced_module_path(const std::string& tensor);
// Builds the encoder and loads its weights, or draws them from (seed, name, parameter path).
std::shared_ptr<CedEncoder> make_ced(const CedConfig& config, const ModelInit& init);

}  // namespace usam
