// B batch, C channels, T steps.
#include "src/models/mert/conv_features.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "src/models/mert/first_layer.h"
#include "src/nn/gelu.h"

namespace usam {
namespace {

// Group norm of one channel per group, each row over its own first lengths[b] steps; zero beyond them.
torch::Tensor norm_per_clip(torch::nn::GroupNormImpl& norm, const torch::Tensor& x_BCT,
                            const std::vector<int64_t>& lengths) {
  const int64_t size = x_BCT.size(2);
  if (std::all_of(lengths.begin(), lengths.end(), [&](int64_t length) { return length >= size; }))
    return norm.forward(x_BCT);
  std::vector<torch::Tensor> rows;
  for (int64_t b = 0; b < x_BCT.size(0); ++b) {
    const int64_t length = std::clamp<int64_t>(lengths[static_cast<size_t>(b)], 1, size);
    const auto clip_1CT = norm.forward(x_BCT.narrow(0, b, 1).narrow(2, 0, length));
    rows.push_back(torch::constant_pad_nd(clip_1CT, {0, size - length}));
  }
  return torch::cat(rows, 0);
}

}  // namespace

int64_t MertConvSizes::hop() const {
  return std::accumulate(strides.begin(), strides.end(), int64_t{1}, std::multiplies<>());
}

int64_t conv_frames(const MertConvSizes& sizes, int64_t samples) {
  for (size_t i = 0; i < sizes.kernels.size(); ++i) samples = conv_length(samples, sizes.kernels[i], sizes.strides[i]);
  return samples;
}

MertConvLayerImpl::MertConvLayerImpl(const MertConvSizes& sizes, size_t index) {
  const int64_t in = index == 0 ? 1 : sizes.widths[index - 1], out = sizes.widths[index];
  MertConvOptions options{in, out, sizes.kernels[index], sizes.strides[index]};
  options.bias = sizes.bias;
  conv_ = register_module("conv", MertConv(options));
  if (sizes.norm == MertConvNorm::kLayer) {
    layer_norm_ = register_module("layer_norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({out})));
  } else if (index == 0) {
    group_norm_ = register_module("layer_norm", torch::nn::GroupNorm(torch::nn::GroupNormOptions(out, out)));
  }
}

void MertConvLayerImpl::quantise() {
  if (conv_->options().in > 1) conv_->quantise();
}

torch::Tensor MertConvLayerImpl::forward(const torch::Tensor& x_BCT, const std::vector<int64_t>& lengths) {
  if (group_norm_ && !conv_->bias.defined() && conv_->options().in == 1) {
    const FirstLayer all{conv_->weight, conv_->options().stride, group_norm_->weight, group_norm_->bias,
                         group_norm_->options.eps()};
    if (can_fuse(all, x_BCT)) return first_layer(all, x_BCT.squeeze(1), lengths).transpose(1, 2);
  }
  auto y_BCT = conv_(x_BCT);
  if (group_norm_) y_BCT = norm_per_clip(*group_norm_, y_BCT, lengths);
  if (layer_norm_) y_BCT = layer_norm_(y_BCT.transpose(1, 2)).transpose(1, 2);
  return nn::gelu(y_BCT);
}

MertConvFeaturesImpl::MertConvFeaturesImpl(const MertConvSizes& sizes) : sizes_(sizes) {
  torch::nn::ModuleList layers;
  for (size_t i = 0; i < sizes.widths.size(); ++i) layers->push_back(layers_.emplace_back(MertConvLayer(sizes, i)));
  register_module("conv_layers", layers);
}

void MertConvFeaturesImpl::quantise() {
  for (auto& layer : layers_) layer->quantise();
}

torch::Tensor MertConvFeaturesImpl::forward(const torch::Tensor& wave_Bn, std::vector<int64_t> lengths) {
  // The first layers make 10 MB of a second of a clip, the most that a pass of an encoder needs; a processor is as fast
  // clip by clip, where nothing is kept for gradients.
  if (wave_Bn.size(0) > 1 && wave_Bn.is_cpu() && !torch::GradMode::is_enabled()) {
    std::vector<torch::Tensor> clips;
    for (int64_t b = 0; b < wave_Bn.size(0); ++b)
      clips.push_back(forward(wave_Bn.narrow(0, b, 1), {lengths[static_cast<size_t>(b)]}));
    return torch::cat(clips);
  }
  auto x_BCT = wave_Bn.unsqueeze(1);
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (auto& length : lengths) length = conv_length(length, sizes_.kernels[i], sizes_.strides[i]);
    x_BCT = layers_[i]->forward(x_BCT, lengths);
  }
  return x_BCT;
}

}  // namespace usam
