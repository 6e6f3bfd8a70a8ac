#pragma once
#include <torch/torch.h>

namespace usam::data::audio {

// samples (n) float32 at rate `from` -> (round(n * to / from)) at rate `to`: soxr at quality HQ in one shot, which is
// what librosa and the reference scripts use. Rates in Hz, not necessarily whole. Equal rates return the input itself.
torch::Tensor resample(const torch::Tensor& samples, double from, double to);

// The same through the same filter, to 1e-6 of the loudest sample rather than to the bit: for waves. (The decibels of
// bands without sound show the last bit.) Upward by a small ratio of whole numbers a block of samples is multiplied
// with the filter's spectrum, in two thirds of soxr's time; other rates are left to soxr.
torch::Tensor resample_nearly(const torch::Tensor& samples, double from, double to);

}  // namespace usam::data::audio
