#pragma once
#include <torch/torch.h>

namespace usam::data {

// n samples of a recording (m): the beginning where it is long enough, else its loop from sample `phase` of the loop
// on, the end of each round crossfaded into the next one's beginning at equal power over `fade` samples, a quarter of
// the recording at most.
torch::Tensor looped(const torch::Tensor& recording, int64_t n, int64_t fade, int64_t phase = 0);

// g noise, with g so that its mean power is `snr_db` below `signal_power`; undefined where one of them is silent.
torch::Tensor at_ratio(double signal_power, const torch::Tensor& noise, double snr_db);

// Mean square, summed in float64.
double mean_power(const torch::Tensor& samples);

}  // namespace usam::data
