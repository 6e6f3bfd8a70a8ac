#pragma once
#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "src/models/audio_encoder.h"
#include "src/models/model_registry.h"
#include "src/models/whisper/config.h"
#include "src/nn/linear.h"
#include "src/nn/self_attention.h"
#include "src/tensor/block.h"

namespace usam {

inline constexpr int64_t kWhisperStates = 1500;  // of one clip at the most: 30 s

struct WhisperSizes {
  int64_t mels = 80, width = 0, layers = 0, heads = 0, ffn = 0;
};

// One pre-norm block with exact GELU.
class WhisperLayerImpl : public Block {
 public:
  explicit WhisperLayerImpl(const WhisperSizes& sizes);
  torch::Tensor forward(const torch::Tensor& x_BTD, const torch::Tensor& key_mask_B11T);

 private:
  torch::nn::LayerNorm self_attn_layer_norm_{nullptr}, final_layer_norm_{nullptr};
  nn::SelfAttention self_attn_{nullptr};
  nn::Linear fc1_{nullptr}, fc2_{nullptr};
};
TORCH_MODULE(WhisperLayer);

// Whisper's encoder (Radford et al. 2022), 50 states a second. `pad: clip` encodes the clip's true length: convolutions
// see zeros beyond it and keys of padding are masked; `pad: 30s` runs over all 3000 frames, as the reference, and marks
// the clip's own states as valid. Parameter paths are those of Hugging Face after `encoder.`. There is no dropout in
// any mode; the sinusoidal positions are a buffer and are never trained.
class WhisperEncoder : public AudioEncoder {
 public:
  WhisperEncoder(const WhisperSizes& sizes, WhisperPad pad);

  // features (B, T, mels) log-mel, lengths_B valid frames (2 ceil(n / 320) for n samples). States (B, ceil(T / 2),
  // width); the first is the input of block 1, the last is after the closing norm. UserError for a clip beyond 30 s.
  EncoderOutput forward(const torch::Tensor& features_BTM, const torch::Tensor& lengths_B, bool all_states) override;
  FrontEndSpec front_end() const override;
  int64_t output_frames(int64_t samples) const override;
  int64_t min_samples() const override { return 1; }
  int64_t width() const override { return sizes_.width; }
  int64_t num_states() const override { return sizes_.layers + 1; }
  std::string path_of(const std::string& tensor) const override;
  double hz() const override { return 50; }
  const WhisperSizes& sizes() const { return sizes_; }

 private:
  torch::Tensor embed(const torch::Tensor& features_BTM, const torch::Tensor& lengths_B);

  WhisperSizes sizes_;
  WhisperPad pad_;
  torch::nn::Conv1d conv1_{nullptr}, conv2_{nullptr};
  std::shared_ptr<torch::nn::Module> embed_positions_;  // holds the buffer `weight` (positions, width)
  std::vector<WhisperLayer> layers_;
  torch::nn::LayerNorm layer_norm_{nullptr};
};

// Whisper's sinusoidal table (positions, width): sines, then cosines, of geometrically spaced frequencies.
torch::Tensor whisper_positions(int64_t positions, int64_t width);
// The sizes a config asks for. UserError for a folder without config.json, of another model, or of other sizes.
WhisperSizes whisper_sizes(const WhisperConfig& config);
// Name of a tensor in a Whisper folder -> path in WhisperEncoder; "" for the decoder's and a classifier's.
std::string whisper_module_path(const std::string& tensor);
// Builds the encoder and loads its weights, or draws them from (seed, name, parameter path).
std::shared_ptr<WhisperEncoder> make_whisper(const WhisperConfig& config, const ModelInit& init);

}  // namespace usam
