#pragma once
#include <torch/torch.h>

#include "data/config.h"
#include "src/tensor/rng.h"

namespace usam::data {

// Masks a spectrogram (T, bands) of 10 ms frames in time and frequency (SpecAugment, arXiv 1904.08779, LibriSpeech
// policy without time warping) and returns the result; the input is left alone. Only the first `valid` frames are
// masked, with their mean. The draws depend on `key` alone, not on the number of frames, so that the same stretch of
// time is masked in all streams of a clip.
torch::Tensor spec_augment(const torch::Tensor& features_TF, int64_t valid, const SpecAugmentConfig& config,
                           DrawKey key);

}  // namespace usam::data
