#include "data/augment/wave_augment.h"

#include <cmath>

namespace usam::data {

torch::Tensor unit_noise(int64_t n, bool is_pink, DrawKey key) {
  torch::Generator random = generator(key);
  torch::Tensor noise = torch::randn({n}, random, torch::kFloat32);
  if (is_pink && n > 2) {
    torch::Tensor spectrum = torch::fft::rfft(noise);
    const torch::Tensor bins = torch::arange(spectrum.size(0), torch::kFloat32).clamp_min(1);
    noise = torch::fft::irfft(spectrum / bins.sqrt(), n);
  }
  return noise / noise.square().mean().sqrt().clamp_min(1e-12);
}

torch::Tensor tilted(const torch::Tensor& x, double db) {
  const double ratio = std::pow(10, db / 20), a = (1 - ratio) / (1 + ratio);
  torch::Tensor y = x.clone();
  y.narrow(0, 1, x.numel() - 1).add_(x.narrow(0, 0, x.numel() - 1), a);
  return y / std::sqrt(1 + a * a);
}

}  // namespace usam::data
