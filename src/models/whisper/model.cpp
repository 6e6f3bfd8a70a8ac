// B batch, T mel frames, then states, M mel bands, D width.
#include "src/models/whisper/model.h"

#include "src/base/error.h"
#include "src/nn/gelu.h"
#include "src/nn/random_init.h"

namespace usam {
namespace {

// x (B, C, T) with zeros from lengths_B[b] on.
torch::Tensor zero_beyond(const torch::Tensor& x_BCT, const torch::Tensor& lengths_B) {
  return x_BCT * length_mask(lengths_B, x_BCT.size(2), x_BCT.device()).unsqueeze(1).to(x_BCT.scalar_type());
}

}  // namespace

torch::Tensor whisper_positions(int64_t positions, int64_t width) {
  const int64_t half = width / 2;
  const double step = half > 1 ? std::log(10000.0) / static_cast<double>(half - 1) : 0.0;
  const auto rates_D = torch::exp(-step * torch::arange(half, torch::kFloat));
  const auto angles_TD = torch::arange(positions, torch::kFloat).unsqueeze(1) * rates_D;
  return torch::cat({angles_TD.sin(), angles_TD.cos()}, 1);
}

WhisperLayerImpl::WhisperLayerImpl(const WhisperSizes& sizes) {
  const auto norm = torch::nn::LayerNormOptions({sizes.width});
  self_attn_ = register_module(
      "self_attn", nn::SelfAttention(nn::SelfAttentionOptions{sizes.width, sizes.heads, true, /*key_bias=*/false}));
  self_attn_layer_norm_ = register_module("self_attn_layer_norm", torch::nn::LayerNorm(norm));
  fc1_ = register_module("fc1", nn::Linear(sizes.width, sizes.ffn));
  fc2_ = register_module("fc2", nn::Linear(sizes.ffn, sizes.width));
  final_layer_norm_ = register_module("final_layer_norm", torch::nn::LayerNorm(norm));
}

torch::Tensor WhisperLayerImpl::forward(const torch::Tensor& x_BTD, const torch::Tensor& key_mask_B11T) {
  return wrapped(x_BTD, [this, key_mask_B11T](const torch::Tensor& in_BTD) {
    const auto attended_BTD = in_BTD + self_attn_(self_attn_layer_norm_(in_BTD), key_mask_B11T);
    return attended_BTD + fc2_(nn::gelu(fc1_(final_layer_norm_(attended_BTD))));
  });
}

WhisperEncoder::WhisperEncoder(const WhisperSizes& sizes, WhisperPad pad) : sizes_(sizes), pad_(pad) {
  using torch::nn::Conv1dOptions;
  const int64_t width = sizes.width;
  conv1_ = register_module("conv1", torch::nn::Conv1d(Conv1dOptions(sizes.mels, width, 3).padding(1)));
  conv2_ = register_module("conv2", torch::nn::Conv1d(Conv1dOptions(width, width, 3).stride(2).padding(1)));
  embed_positions_ = register_module("embed_positions", std::make_shared<torch::nn::Module>("embed_positions"));
  embed_positions_->register_buffer("weight", whisper_positions(kWhisperStates, width));
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < sizes.layers; ++i) layers->push_back(layers_.emplace_back(WhisperLayer(sizes)));
  register_module("layers", layers);
  layer_norm_ = register_module("layer_norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
}

torch::Tensor WhisperEncoder::embed(const torch::Tensor& features_BTM, const torch::Tensor& lengths_B) {
  const bool is_masked = pad_ == WhisperPad::kClip && lengths_B.min().item<int64_t>() < features_BTM.size(1);
  auto x_BDT = features_BTM.transpose(1, 2).to(conv1_->weight.scalar_type());
  if (is_masked) x_BDT = zero_beyond(x_BDT, lengths_B);
  x_BDT = nn::gelu(conv1_(x_BDT));
  if (is_masked) x_BDT = zero_beyond(x_BDT, lengths_B);
  const auto x_BTD = nn::gelu(conv2_(x_BDT)).transpose(1, 2);
  return x_BTD + embed_positions_->named_buffers()["weight"].narrow(0, 0, x_BTD.size(1));
}

EncoderOutput WhisperEncoder::forward(const torch::Tensor& features_BTM, const torch::Tensor& lengths_B,
                                      bool all_states) {
  const int64_t frames = features_BTM.size(1);
  if ((frames + 1) / 2 > kWhisperStates)
    user_error("the Whisper encoder takes at most {} s of audio and was given {} s; set data.max_seconds to {}",
               kWhisperStates / 50, (frames + 99) / 100, kWhisperStates / 50);
  if (pad_ == WhisperPad::kThirtySeconds && frames != 2 * kWhisperStates)
    internal_error("with pad: 30s the Whisper encoder is fed {} frames, not {}", 2 * kWhisperStates, frames);
  EncoderOutput output;
  output.lengths_B = torch::div(lengths_B + 1, 2, "floor");
  auto x_BTD = embed(features_BTM, lengths_B);
  torch::Tensor key_mask_B11T;
  if (pad_ == WhisperPad::kClip) key_mask_B11T = nn::key_padding_mask(output.lengths_B, x_BTD.size(1), x_BTD.device());
  for (auto& layer : layers_) {
    if (all_states) output.states_BTD.push_back(x_BTD);
    x_BTD = layer(x_BTD, key_mask_B11T);
  }
  output.states_BTD.push_back(layer_norm_(x_BTD));
  output.last_BTD = output.states_BTD.back();
  output.hz = hz();
  return output;
}

FrontEndSpec WhisperEncoder::front_end() const {
  return WhisperMelSpec{16000, sizes_.mels, pad_ == WhisperPad::kThirtySeconds};
}

int64_t WhisperEncoder::output_frames(int64_t samples) const {
  const int64_t frames = (samples + 319) / 320;
  return pad_ == WhisperPad::kThirtySeconds ? std::min(frames, kWhisperStates) : frames;
}

std::string WhisperEncoder::path_of(const std::string& tensor) const {
  return whisper_module_path(tensor);
}

}  // namespace usam
