// F frequency bins, M mel bands.
#include "data/features/mel_filters.h"

#include <cmath>

namespace usam::data {
namespace {

constexpr double kSlaneyBreak = 1000, kSlaneyStep = 200.0 / 3;  // Hz; Hz per mel below the break
const double kSlaneyLog = std::log(6.4) / 27;                   // per mel above it

double slaney_mel(double hz) {
  return hz < kSlaneyBreak ? hz / kSlaneyStep : kSlaneyBreak / kSlaneyStep + std::log(hz / kSlaneyBreak) / kSlaneyLog;
}
double htk_mel(double hz) {
  return 2595 * std::log10(1 + hz / 700);
}

// Triangles between neighbouring corners (M + 2, in Hz), at the bins of the transform.
torch::Tensor triangles(const torch::Tensor& corners, int64_t sample_rate, int64_t n_fft) {
  const int64_t mels = corners.size(0) - 2;
  const torch::Tensor bins = torch::linspace(0, sample_rate / 2, 1 + n_fft / 2, corners.scalar_type()).unsqueeze(1);
  const torch::Tensor left = corners.slice(0, 0, mels), peak = corners.slice(0, 1, mels + 1),
                      right = corners.slice(0, 2);
  const torch::Tensor rising_FM = (bins - left) / (peak - left), falling_FM = (right - bins) / (right - peak);
  return torch::minimum(rising_FM, falling_FM).clamp_min(0);
}

}  // namespace

torch::Tensor slaney_mel_filters(int64_t sample_rate, int64_t n_fft, int64_t mels, double highest) {
  const torch::Tensor mel = torch::linspace(0, slaney_mel(highest), mels + 2, torch::kFloat64);
  const double break_mel = slaney_mel(kSlaneyBreak);
  const torch::Tensor corners =
      torch::where(mel < break_mel, mel * kSlaneyStep, kSlaneyBreak * ((mel - break_mel) * kSlaneyLog).exp());
  const torch::Tensor area = 2 / (corners.slice(0, 2) - corners.slice(0, 0, mels));
  return (triangles(corners, sample_rate, n_fft) * area).to(torch::kFloat32).contiguous();
}

torch::Tensor htk_mel_filters(int64_t sample_rate, int64_t n_fft, int64_t mels, double highest) {
  // In float, as torchaudio does: beside a tone, a band's energy is that of a corner's weight, all of it rounding.
  const torch::Tensor mel = torch::linspace(0, htk_mel(highest), mels + 2, torch::kFloat32);
  const torch::Tensor corners = 700 * (torch::pow(10, mel / 2595) - 1);
  return triangles(corners, sample_rate, n_fft).contiguous();
}

}  // namespace usam::data
