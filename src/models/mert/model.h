#pragma once
#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

#include "src/models/audio_encoder.h"
#include "src/models/mert/config.h"
#include "src/models/mert/conv_features.h"
#include "src/models/model_registry.h"
#include "src/nn/linear.h"
#include "src/nn/self_attention.h"
#include "src/tensor/block.h"

namespace usam {

struct MertSizes {
  int64_t width = 0, layers = 0, heads = 0, ffn = 0;
  MertConvSizes conv;
  bool has_projection_norm = true;
  int64_t position_kernel = 128, position_groups = 16;
  bool pre_norm = false;  // Hugging Face: do_stable_layer_norm
  double norm_epsilon = 1e-5;
  int64_t sample_rate = 24000;
  bool normalize = true;
};

// One block with exact GELU; norms follow each half (post-norm), or precede it (pre_norm).
class MertLayerImpl : public Block {
 public:
  explicit MertLayerImpl(const MertSizes& sizes);
  torch::Tensor forward(const torch::Tensor& x_BTD, const torch::Tensor& key_mask_B11T);

 private:
  torch::Tensor feed_forward(const torch::Tensor& x_BTD);

  bool pre_norm_;
  nn::SelfAttention attention_{nullptr};
  nn::Linear intermediate_{nullptr}, output_{nullptr};
  torch::nn::LayerNorm layer_norm_{nullptr}, final_layer_norm_{nullptr};
};
TORCH_MODULE(MertLayer);

// MERT (Li et al. 2023), which is HuBERT (Hsu et al. 2021) at 24 kHz: 75 states a second. So is wav2vec 2.0 (Baevski et
// al. 2020) without its quantizer. A clip's group norm runs over
// its own frames, frames beyond it are zero before the position convolution, their keys are masked. Parameter paths are
// those of Hugging Face; the position convolution's weight norm is folded. No dropout, LayerDrop or SpecAugment in any
// mode.
class MertEncoder : public AudioEncoder {
 public:
  explicit MertEncoder(const MertSizes& sizes);
  // The convolutions' weights as int8 codes (MertConvImpl::quantise), but for the wave's.
  void quantise_convolutions() {
    feature_extractor_->quantise();
    position_conv_->quantise();
  }

  // features (B, n) wave, lengths_B samples. States (B, T, width): the input of block 1, then one after each block;
  // `last_BTD` is the last of them, with pre_norm after the closing norm.
  EncoderOutput forward(const torch::Tensor& features_Bn, const torch::Tensor& lengths_B, bool all_states) override;
  FrontEndSpec front_end() const override { return WaveSpec{sizes_.sample_rate, sizes_.normalize}; }
  int64_t output_frames(int64_t samples) const override { return conv_frames(sizes_.conv, samples); }
  int64_t min_samples() const override;
  int64_t width() const override { return sizes_.width; }
  int64_t num_states() const override { return sizes_.layers + 1; }
  std::string path_of(const std::string& tensor) const override;
  double hz() const override;
  bool prefers_all_states() const override { return true; }
  const MertSizes& sizes() const { return sizes_; }

 private:
  torch::Tensor project(const torch::Tensor& conv_BTC);
  torch::Tensor add_positions(const torch::Tensor& x_BTD);

  MertSizes sizes_;
  MertConvFeatures feature_extractor_{nullptr};
  torch::nn::LayerNorm projection_norm_{nullptr};
  nn::Linear projection_{nullptr};
  MertConv position_conv_{nullptr};
  torch::nn::LayerNorm layer_norm_{nullptr};
  std::vector<MertLayer> layers_;
};

// The sizes a config asks for. UserError for a folder without its JSON files, of another model, or of other sizes.
MertSizes mert_sizes(const MertConfig& config);
// Name of a tensor in a folder of the encoder alone -> path in MertEncoder, under either naming of the weight norm; its
// gain and the training-time mask embedding go to "".
std::string mert_module_path(const std::string& tensor);
// Builds the encoder and loads its weights, or draws them from (seed, name, parameter path).
std::shared_ptr<MertEncoder> make_mert(const MertConfig& config, const ModelInit& init);

}  // namespace usam
