#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace usam {

// The first layer of the convolutions: of the wave, normalised per channel over a clip's frames, exact GELU.
struct FirstLayer {
  torch::Tensor weight_C1K;
  int64_t stride = 1;
  torch::Tensor gain_C, shift_C;  // of the norm
  double epsilon = 1e-5;
};
// Whether first_layer() knows this case: fp32 on a processor, without a graph or autocast, channels by sixteens.
bool can_fuse(const FirstLayer& layer, const torch::Tensor& wave_Bn);
// wave (B, n) -> (B, T, C), frames beyond lengths[b] zero: conv1d, group_norm of C groups over the clip's frames, gelu,
// in one go through the cache for some channels at a time.
torch::Tensor first_layer(const FirstLayer& layer, const torch::Tensor& wave_Bn, const std::vector<int64_t>& lengths);

}  // namespace usam
