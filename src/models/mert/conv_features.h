#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "src/models/mert/config.h"
#include "src/models/mert/conv.h"

namespace usam {

// The strided convolutions that turn a wave into frames. One entry per layer; the strides' product is the hop in
// samples.
struct MertConvSizes {
  std::vector<int64_t> widths;
  std::vector<int64_t> kernels = {10, 3, 3, 3, 3, 2, 2};
  std::vector<int64_t> strides = {5, 2, 2, 2, 2, 2, 2};
  MertConvNorm norm = MertConvNorm::kGroup;  // group: after layer 0 alone, per channel over time; layer: after each
  bool bias = false;

  int64_t hop() const;
};

// Frames that `samples` samples give; 0 below the receptive field.
int64_t conv_frames(const MertConvSizes& sizes, int64_t samples);

// One convolution, its norm if it has one, exact GELU.
class MertConvLayerImpl : public torch::nn::Module {
 public:
  MertConvLayerImpl(const MertConvSizes& sizes, size_t index);
  // MertConvImpl::quantise(); the convolution of one channel, the wave itself, stays as it is.
  void quantise();
  // x (B, C, T); lengths: valid steps of each row of the output, for the group norm.
  torch::Tensor forward(const torch::Tensor& x_BCT, const std::vector<int64_t>& lengths);

 private:
  MertConv conv_{nullptr};
  torch::nn::GroupNorm group_norm_{nullptr};
  torch::nn::LayerNorm layer_norm_{nullptr};
};
TORCH_MODULE(MertConvLayer);

// wave (B, n) -> (B, C, T). Frame t of a row sees its own samples only, and the group norm only frames inside the clip:
// valid frames depend on nothing beyond it.
class MertConvFeaturesImpl : public torch::nn::Module {
 public:
  explicit MertConvFeaturesImpl(const MertConvSizes& sizes);
  void quantise();
  torch::Tensor forward(const torch::Tensor& wave_Bn, std::vector<int64_t> lengths);

 private:
  MertConvSizes sizes_;
  std::vector<MertConvLayer> layers_;
};
TORCH_MODULE(MertConvFeatures);

}  // namespace usam
