#pragma once
#include <torch/torch.h>

#include "data/config.h"
#include "src/tensor/rng.h"

namespace usam::data {

// The speed factor of a clip: one of `speed`, or 1 where there is none or where the slowed clip would exceed
// `max_seconds`.
double draw_speed(const AugmentConfig& config, double seconds, double max_seconds, DrawKey key);

// The samples with another spectral slope, white or pink noise at a signal-to-noise ratio, and a gain, all drawn;
// silence stays silent.
torch::Tensor augment_wave(const torch::Tensor& samples, const AugmentConfig& config, DrawKey key);

}  // namespace usam::data
