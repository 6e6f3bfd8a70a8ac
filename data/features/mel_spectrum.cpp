// T frames, N samples of a frame, F frequency bins, M mel bands.
#include "data/features/mel_spectrum.h"

#include <algorithm>
#include <array>

namespace usam::data {
namespace {

constexpr int64_t kBlock = 96;  // frames that are transformed at a time: they stay in the processor's cache
constexpr int64_t kLanes = 8;   // frames that are filtered side by side, in vector registers
constexpr float kLeast = 1e-10f;

// `samples` with `margin` more at each end, reflected about the first and the last.
std::vector<float> reflected(std::span<const float> samples, int64_t margin) {
  std::vector<float> padded;
  padded.reserve(samples.size() + static_cast<size_t>(2 * margin));
  padded.insert(padded.end(), samples.rend() - margin - 1, samples.rend() - 1);
  padded.insert(padded.end(), samples.begin(), samples.end());
  padded.insert(padded.end(), samples.rbegin() + 1, samples.rbegin() + 1 + margin);
  return padded;
}

}  // namespace

MelSpectrum::MelSpectrum(int64_t transform, int64_t hop, const torch::Tensor& filters_FM)
    : transform_(transform), hop_(hop) {
  const torch::Tensor window = torch::hann_window(transform);
  window_.assign(floats_of(window).begin(), floats_of(window).end());
  const auto weights_FM = filters_FM.accessor<float, 2>();
  for (int64_t m = 0; m < filters_FM.size(1); ++m) {
    int64_t first = 0, end = filters_FM.size(0);
    while (first < end && weights_FM[first][m] == 0) ++first;
    while (end > first && weights_FM[end - 1][m] == 0) --end;
    Filter& filter = filters_.emplace_back(Filter{first, {}});
    for (int64_t f = first; f < end; ++f) filter.weights.push_back(weights_FM[f][m]);
  }
}

torch::Tensor MelSpectrum::operator()(std::span<const float> samples, int64_t frames) const {
  const at::NoGradGuard no_grad;
  const std::vector<float> padded = reflected(samples, transform_ / 2);
  const int64_t bins = transform_ / 2 + 1, mels = std::ssize(filters_);
  torch::Tensor energies_TM = torch::empty({frames, mels}, torch::kFloat32);
  torch::Tensor windowed_TN = torch::empty({std::min(frames, kBlock), transform_}, torch::kFloat32);
  std::vector<float> power(static_cast<size_t>(bins * kLanes));
  float* energies = energies_TM.data_ptr<float>();
  for (int64_t begin = 0; begin < frames; begin += kBlock) {
    const int64_t count = std::min(kBlock, frames - begin);
    float* windowed = windowed_TN.data_ptr<float>();
    for (int64_t t = 0; t < count; ++t, windowed += transform_) {
      const float* frame = padded.data() + (begin + t) * hop_;
      for (size_t i = 0; i < window_.size(); ++i) windowed[i] = frame[i] * window_[i];
    }
    const torch::Tensor spectrum_TF = torch::fft_rfft(windowed_TN.slice(0, 0, count)).contiguous();
    const auto* spectra = reinterpret_cast<const float*>(spectrum_TF.data_ptr<c10::complex<float>>());
    for (int64_t t = 0; t < count; t += kLanes)
      filter(spectra + t * 2 * bins, std::min(kLanes, count - t), power, energies + (begin + t) * mels);
  }
  return energies_TM;
}

// The mel energies of `count` <= kLanes frames; `power` is room for the power of each bin, all frames of a bin
// together.
void MelSpectrum::filter(const float* spectra, int64_t count, std::vector<float>& power, float* energies) const {
  const int64_t bins = transform_ / 2 + 1, mels = std::ssize(filters_);
  for (int64_t lane = 0; lane < count; ++lane) {
    const float* bin = spectra + lane * 2 * bins;
    float* to = power.data() + lane;
    for (int64_t f = 0; f < bins; ++f, bin += 2, to += kLanes) *to = bin[0] * bin[0] + bin[1] * bin[1];
  }
  for (int64_t m = 0; m < mels; ++m) {
    const Filter& band = filters_[static_cast<size_t>(m)];
    const float* bin = power.data() + band.first_bin * kLanes;
    std::array<float, kLanes> energy{};
    for (const float weight : band.weights) {
      for (size_t lane = 0; lane < kLanes; ++lane) energy[lane] += weight * bin[lane];
      bin += kLanes;
    }
    for (int64_t lane = 0; lane < count; ++lane)
      energies[lane * mels + m] = std::max(energy[static_cast<size_t>(lane)], kLeast);
  }
}

}  // namespace usam::data
