#pragma once
#include <torch/torch.h>

namespace usam::data {

// Triangular mel filters (1 + n_fft / 2, mels) float32 over 0 Hz to `highest` Hz, as librosa.filters.mel(...).T.
// Slaney's scale (linear below 1 kHz, logarithmic above) with area normalisation: Whisper.
torch::Tensor slaney_mel_filters(int64_t sample_rate, int64_t n_fft, int64_t mels, double highest);
// HTK's scale 2595 log10(1 + f / 700) without normalisation: CED.
torch::Tensor htk_mel_filters(int64_t sample_rate, int64_t n_fft, int64_t mels, double highest);

}  // namespace usam::data
