// B batch, C channels, T steps.
#include "src/models/mert/conv_features.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "src/nn/weight_store.h"

namespace usam {
namespace {

int64_t conv_length(int64_t length, int64_t kernel, int64_t stride) {
  return length < kernel ? 0 : (length - kernel) / stride + 1;
}

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
  const auto options = torch::nn::Conv1dOptions(in, out, sizes.kernels[index]).stride(sizes.strides[index]);
  conv_ = register_module("conv", torch::nn::Conv1d(torch::nn::Conv1dOptions(options).bias(sizes.bias)));
  if (sizes.norm == MertConvNorm::kLayer) {
    layer_norm_ = register_module("layer_norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({out})));
  } else if (index == 0) {
    group_norm_ = register_module("layer_norm", torch::nn::GroupNorm(torch::nn::GroupNormOptions(out, out)));
  }
}

void MertConvLayerImpl::quantise() {
  const torch::NoGradGuard no_grad;
  const auto& weight_OCK = conv_->weight;
  if (weight_OCK.size(1) == 1) return;
  const auto steps_first_OKC = weight_OCK.permute({0, 2, 1});
  const auto kept = nn::store_weight(steps_first_OKC.flatten(1), nn::WeightStore::kInt8Dynamic);
  conv_->weight.requires_grad_(false);
  conv_->weight.set_data(kept.values.view_as(steps_first_OKC).permute({0, 2, 1}));
  scales_O_ = conv_->register_parameter("scales", kept.scales, /*requires_grad=*/false);
}

torch::Tensor MertConvLayerImpl::convolve(const torch::Tensor& x_BCT) {
  if (!scales_O_.defined()) return conv_(x_BCT);
  const auto codes_OW = conv_->weight.permute({0, 2, 1}).flatten(1);  // W: the values of a window, step by step
  const nn::StoredWeight weight{nn::WeightStore::kInt8Dynamic, codes_OW.size(0), codes_OW.size(1), codes_OW, scales_O_};
  const auto x_BTC = x_BCT.transpose(1, 2).contiguous();  // what a layer gives has this order but for the first's
  const int64_t stride = conv_->options.stride()->at(0);
  const int64_t steps = conv_length(x_BTC.size(1), conv_->options.kernel_size()->at(0), stride);
  std::vector<torch::Tensor> rows;
  for (const auto& clip_TC : x_BTC.unbind(0)) {
    const auto windows_TW = clip_TC.as_strided({steps, weight.inputs}, {stride * clip_TC.size(1), 1});
    rows.push_back(nn::stored_product(windows_TW, weight, conv_->bias));
  }
  return (rows.size() == 1 ? rows[0].unsqueeze(0) : torch::stack(rows)).transpose(1, 2);
}

torch::Tensor MertConvLayerImpl::forward(const torch::Tensor& x_BCT, const std::vector<int64_t>& lengths) {
  auto y_BCT = convolve(x_BCT);
  if (group_norm_) y_BCT = norm_per_clip(*group_norm_, y_BCT, lengths);
  if (layer_norm_) y_BCT = layer_norm_(y_BCT.transpose(1, 2)).transpose(1, 2);
  return torch::gelu(y_BCT);
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
  auto x_BCT = wave_Bn.unsqueeze(1);
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (auto& length : lengths) length = conv_length(length, sizes_.kernels[i], sizes_.strides[i]);
    x_BCT = layers_[i]->forward(x_BCT, lengths);
  }
  return x_BCT;
}

}  // namespace usam
