#pragma once
#include <torch/torch.h>

#include "src/tensor/rng.h"

namespace usam::data {

// Noise (n) of unit power; white, or pink: its power falls by 3 dB an octave.
torch::Tensor unit_noise(int64_t n, bool is_pink, DrawKey key);

// y[n] = x[n] + a x[n - 1]: a filter whose gain at half the sampling rate is `db` away from that at 0 Hz, in between a
// smooth slope. White noise keeps its power. samples (n), two at least.
torch::Tensor tilted(const torch::Tensor& samples, double db);

}  // namespace usam::data
