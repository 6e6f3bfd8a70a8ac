#pragma once
#include <torch/torch.h>

#include "data/config.h"
#include "src/tensor/rng.h"

namespace usam::data {

// The speed factor of a clip: one of `speed`, or 1 where there is none or where the slowed clip would exceed
// `max_seconds`.
double draw_speed(const AugmentConfig& config, double seconds, double max_seconds, DrawKey key);

// The samples with a gain and with white or pink noise added at a signal-to-noise ratio, both drawn; silence stays
// silent.
torch::Tensor augment_wave(const torch::Tensor& samples, const AugmentConfig& config, DrawKey key);

}  // namespace usam::data
