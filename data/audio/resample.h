#pragma once
#include <torch/torch.h>

namespace usam::data::audio {

// samples (n) float32 at rate `from` -> (round(n * to / from)) at rate `to`: soxr at quality HQ in one shot, which is
// what librosa and the reference scripts use. Rates in Hz, not necessarily whole. Equal rates return the input itself.
torch::Tensor resample(const torch::Tensor& samples, double from, double to);

}  // namespace usam::data::audio
