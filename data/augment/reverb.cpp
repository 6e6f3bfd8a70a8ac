#include "data/augment/reverb.h"

#include <cmath>

#include "data/augment/mix.h"

namespace usam::data {
namespace {

// The least length from `size` on that has no prime factor above 5: what FFTs are fast at.
int64_t fast_length(int64_t size) {
  for (int64_t length = size;; ++length) {
    int64_t rest = length;
    for (const int64_t prime : {2, 3, 5})
      while (rest % prime == 0) rest /= prime;
    if (rest == 1) return length;
  }
}

}  // namespace

torch::Tensor reverberate(const torch::Tensor& samples, const torch::Tensor& response) {
  const double power = mean_power(samples);
  if (power <= 0 || response.numel() == 0) return samples;
  const int64_t n = samples.numel(), direct = response.abs().argmax().item<int64_t>();
  const int64_t length = fast_length(n + response.numel() - 1);
  const torch::Tensor spectrum = torch::fft::rfft(samples, length) * torch::fft::rfft(response, length);
  const torch::Tensor heard = torch::fft::irfft(spectrum, length).narrow(0, direct, n);
  const double heard_power = mean_power(heard);
  return heard_power > 0 ? heard * std::sqrt(power / heard_power) : samples;
}

}  // namespace usam::data
