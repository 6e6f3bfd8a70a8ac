#include "data/augment/wave_augment.h"

#include <cmath>

namespace usam::data {
namespace {

// Noise (n) of unit power; pink: power falls by 3 dB an octave.
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

// y[n] = x[n] + a x[n - 1]: a filter whose gain at half the sampling rate is `db` away from that at 0 Hz, in between a
// smooth slope. White noise keeps its power.
torch::Tensor tilt(const torch::Tensor& x, double db) {
  const double ratio = std::pow(10, db / 20), a = (1 - ratio) / (1 + ratio);
  torch::Tensor y = x.clone();
  y.narrow(0, 1, x.numel() - 1).add_(x.narrow(0, 0, x.numel() - 1), a);
  return y / std::sqrt(1 + a * a);
}

}  // namespace

double draw_speed(const AugmentConfig& config, double seconds, double max_seconds, DrawKey key) {
  if (config.speed.empty()) return 1;
  const double speed = config.speed[below(key.with("speed"), config.speed.size())];
  return seconds / speed > max_seconds ? 1 : speed;
}

torch::Tensor augment_wave(const torch::Tensor& samples, const AugmentConfig& config, DrawKey key) {
  const at::NoGradGuard no_grad;
  torch::Tensor x = samples;
  if (config.tilt_db > 0 && x.numel() > 1) x = tilt(x, config.tilt_db * (2 * uniform(key.with("tilt")) - 1));
  if (config.noise_db) {
    const double lowest = config.noise_db->at(0), highest = config.noise_db->at(1);
    const DrawKey draw = key.with("noise");
    const double ratio_db = lowest + (highest - lowest) * uniform(draw, 0);
    const double level = x.square().mean().sqrt().item<double>() * std::pow(10, -ratio_db / 20);
    if (level > 0) x = x + level * unit_noise(x.numel(), below(draw, 2, 1) == 1, draw.with("samples"));
  }
  if (config.gain_db > 0) x = x * std::pow(10, config.gain_db * (2 * uniform(key.with("gain")) - 1) / 20);
  return x;
}

}  // namespace usam::data
