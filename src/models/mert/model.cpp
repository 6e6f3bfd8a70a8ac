// B batch, n samples, C conv channels, T frames, D width.
#include "src/models/mert/model.h"

#include "src/nn/gelu.h"

namespace usam {
namespace {

torch::nn::LayerNorm make_norm(int64_t width, double epsilon) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}).eps(epsilon));
}

}  // namespace

MertLayerImpl::MertLayerImpl(const MertSizes& sizes) : pre_norm_(sizes.pre_norm) {
  attention_ =
      register_module("attention", nn::SelfAttention(nn::SelfAttentionOptions{sizes.width, sizes.heads, true, true}));
  layer_norm_ = register_module("layer_norm", make_norm(sizes.width, sizes.norm_epsilon));
  auto feed_forward = register_module("feed_forward", std::make_shared<torch::nn::Module>("feed_forward"));
  intermediate_ = feed_forward->register_module("intermediate_dense", nn::Linear(sizes.width, sizes.ffn));
  output_ = feed_forward->register_module("output_dense", nn::Linear(sizes.ffn, sizes.width));
  final_layer_norm_ = register_module("final_layer_norm", make_norm(sizes.width, sizes.norm_epsilon));
}

torch::Tensor MertLayerImpl::feed_forward(const torch::Tensor& x_BTD) {
  return output_(nn::gelu(intermediate_(x_BTD)));
}

torch::Tensor MertLayerImpl::forward(const torch::Tensor& x_BTD, const torch::Tensor& key_mask_B11T) {
  return wrapped(x_BTD, [this, key_mask_B11T](const torch::Tensor& in_BTD) {
    if (pre_norm_) {
      const auto attended_BTD = in_BTD + attention_(layer_norm_(in_BTD), key_mask_B11T);
      return attended_BTD + feed_forward(final_layer_norm_(attended_BTD));
    }
    const auto attended_BTD = layer_norm_(in_BTD + attention_(in_BTD, key_mask_B11T));
    return final_layer_norm_(attended_BTD + feed_forward(attended_BTD));
  });
}

MertEncoder::MertEncoder(const MertSizes& sizes) : sizes_(sizes) {
  const int64_t width = sizes.width, channels = sizes.conv.widths.back();
  feature_extractor_ = register_module("feature_extractor", MertConvFeatures(sizes.conv));
  auto feature_projection =
      register_module("feature_projection", std::make_shared<torch::nn::Module>("feature_projection"));
  if (sizes.has_projection_norm)
    projection_norm_ = feature_projection->register_module("layer_norm", make_norm(channels, sizes.norm_epsilon));
  projection_ = feature_projection->register_module("projection", nn::Linear(channels, width));
  auto encoder = register_module("encoder", std::make_shared<torch::nn::Module>("encoder"));
  auto positions = encoder->register_module("pos_conv_embed", std::make_shared<torch::nn::Module>("pos_conv_embed"));
  MertConvOptions options{width, width, sizes.position_kernel};
  options.padding = sizes.position_kernel / 2;
  options.groups = sizes.position_groups;
  position_conv_ = positions->register_module("conv", MertConv(options));
  layer_norm_ = encoder->register_module("layer_norm", make_norm(width, sizes.norm_epsilon));
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < sizes.layers; ++i) layers->push_back(layers_.emplace_back(MertLayer(sizes)));
  encoder->register_module("layers", layers);
}

torch::Tensor MertEncoder::project(const torch::Tensor& conv_BTC) {
  return projection_(projection_norm_ ? projection_norm_(conv_BTC) : conv_BTC);
}

torch::Tensor MertEncoder::add_positions(const torch::Tensor& x_BTD) {
  const auto positions_BDT = nn::gelu(position_conv_(x_BTD.transpose(1, 2)));
  // An even kernel gives one frame too many; the reference cuts the last.
  return x_BTD + positions_BDT.narrow(2, 0, x_BTD.size(1)).transpose(1, 2);
}

EncoderOutput MertEncoder::forward(const torch::Tensor& features_Bn, const torch::Tensor& lengths_B, bool all_states) {
  const std::vector<int64_t> samples = to_vector(lengths_B);
  const auto wave_Bn = features_Bn.to(layer_norm_->weight.scalar_type());
  auto x_BTD = project(feature_extractor_(wave_Bn, samples).transpose(1, 2));
  const int64_t size = x_BTD.size(1);
  std::vector<int64_t> frames;
  for (int64_t n : samples) frames.push_back(output_frames(n));
  EncoderOutput output;
  output.lengths_B = torch::tensor(frames, torch::kInt64);
  const auto key_mask_B11T = nn::key_padding_mask(output.lengths_B, size, x_BTD.device());
  if (key_mask_B11T.defined())
    x_BTD = x_BTD.masked_fill(~length_mask(output.lengths_B, size, x_BTD.device()).unsqueeze(2), 0);
  x_BTD = add_positions(x_BTD);
  if (!sizes_.pre_norm) x_BTD = layer_norm_(x_BTD);
  for (auto& layer : layers_) {
    if (all_states) output.states_BTD.push_back(x_BTD);
    x_BTD = layer(x_BTD, key_mask_B11T);
  }
  output.last_BTD = sizes_.pre_norm ? layer_norm_(x_BTD) : x_BTD;
  output.states_BTD.push_back(all_states ? x_BTD : output.last_BTD);
  output.hz = hz();
  return output;
}

int64_t MertEncoder::min_samples() const {
  int64_t samples = 1;  // the receptive field of one frame
  for (size_t i = sizes_.conv.kernels.size(); i-- > 0;)
    samples = (samples - 1) * sizes_.conv.strides[i] + sizes_.conv.kernels[i];
  return samples;
}

double MertEncoder::hz() const {
  return static_cast<double>(sizes_.sample_rate) / static_cast<double>(sizes_.conv.hop());
}

std::string MertEncoder::path_of(const std::string& tensor) const {
  for (const std::string prefix : {"hubert.", "wav2vec2."})
    if (tensor.starts_with(prefix)) return mert_module_path(tensor.substr(prefix.size()));
  return mert_module_path(tensor);
}

}  // namespace usam
