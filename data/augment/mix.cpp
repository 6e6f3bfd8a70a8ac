#include "data/augment/mix.h"

#include <ATen/ceil_div.h>
#include <cmath>

namespace usam::data {

torch::Tensor looped(const torch::Tensor& recording, int64_t n, int64_t fade, int64_t phase) {
  const int64_t size = recording.numel();
  if (size >= n) return recording.narrow(0, 0, n);
  fade = std::min(fade, size / 4);
  const int64_t period = size - fade;
  torch::Tensor round = recording.narrow(0, 0, period).clone();
  if (fade > 0) {
    const torch::Tensor angle = (torch::arange(fade, torch::kFloat32) + 0.5) * (M_PI / 2 / static_cast<double>(fade));
    torch::Tensor begin = round.narrow(0, 0, fade);
    begin.mul_(angle.sin()).add_(recording.narrow(0, period, fade) * angle.cos());
  }
  const int64_t first = phase % period;
  return round.repeat({at::ceil_div(first + n, period)}).narrow(0, first, n);
}

double mean_power(const torch::Tensor& samples) {
  if (samples.numel() == 0) return 0;
  return samples.to(torch::kFloat64).square().mean().item<double>();
}

torch::Tensor at_ratio(double signal_power, const torch::Tensor& noise, double snr_db) {
  const double power = mean_power(noise);
  if (signal_power <= 0 || power <= 0) return {};
  return noise * std::sqrt(signal_power / power * std::pow(10, -snr_db / 10));
}

}  // namespace usam::data
