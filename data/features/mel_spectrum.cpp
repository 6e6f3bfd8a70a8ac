// T frames, N samples of a frame, F frequency bins, M mel bands, L lanes.
#include "data/features/mel_spectrum.h"

#include <algorithm>

namespace usam::data {
namespace {

constexpr int64_t kBlockOfFrames =
    6 * kLanes;  // frames that torch transforms at a time: they stay in the processor's cache
constexpr float kLeast = 1e-10f;

Float16Lanes* lanes_of(const torch::Tensor& x) {
  return reinterpret_cast<Float16Lanes*>(x.data_ptr<float>());
}

// The power of `count` <= kLanes spectra one after the other, all frames of a bin together. The other lanes repeat.
USAM_INLINE inline void power_of(const float* spectra, int64_t bins, int64_t count, Float16Lanes* power) {
  Float16Lanes rows[kLanes];
  const int64_t whole = bins / kLanes * kLanes;
  for (int64_t f = 0; f < whole; f += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const auto* at = reinterpret_cast<const Float16Lanes*>(spectra + 2 * (std::min(lane, count - 1) * bins + f));
      const Float16Lanes low = at[0], high = at[1];
      const Float16Lanes re =
          __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      const Float16Lanes im =
          __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
      rows[lane] = re * re + im * im;
    }
    transpose(rows);
    for (int64_t i = 0; i < kLanes; ++i) power[f + i] = rows[i];
  }
  for (int64_t f = whole; f < bins; ++f) {
    for (int64_t lane = 0; lane < count; ++lane) {
      const float* at = spectra + 2 * (lane * bins + f);
      power[f][lane] = at[0] * at[0] + at[1] * at[1];
    }
  }
}

// The first `count` lanes as rows of `mels`.
USAM_INLINE inline void unpack(const Float16Lanes* logs, int64_t mels, int64_t count, float* to) {
  Float16Lanes rows[kLanes];
  const int64_t whole = mels / kLanes * kLanes;
  for (int64_t m = 0; m < whole; m += kLanes) {
    for (int64_t i = 0; i < kLanes; ++i) rows[i] = logs[m + i];
    transpose(rows);
    for (int64_t lane = 0; lane < count; ++lane) *reinterpret_cast<Float16Lanes*>(to + lane * mels + m) = rows[lane];
  }
  for (int64_t m = whole; m < mels; ++m)
    for (int64_t lane = 0; lane < count; ++lane) to[lane * mels + m] = logs[m][lane];
}

}  // namespace

struct MelSpectrum::Signal {
  std::span<const float> samples;
  int64_t length, transform, hop;

  // The samples of frame `t`: where they stand, or laid out in `room`.
  const float* frame(int64_t t, float* room) const {
    const int64_t begin = t * hop - transform / 2, count = std::ssize(samples);
    if (begin >= 0 && begin + transform <= count) return samples.data() + begin;
    for (int64_t i = 0; i < transform; ++i) {
      const int64_t j = std::abs(begin + i), at = j < length ? j : 2 * (length - 1) - j;
      room[i] = at < count ? samples[static_cast<size_t>(at)] : 0;
    }
    return room;
  }
};

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

void MelSpectrum::operator()(std::span<const float> samples, int64_t length, std::span<float> logs_TM) const {
  const at::NoGradGuard no_grad;
  const Signal signal{samples, length, transform_, hop_};
  const int64_t bins = transform_ / 2 + 1, frames = std::ssize(logs_TM) / mels();
  const torch::Tensor power_FL = torch::zeros({bins, kLanes}), logs_ML = torch::empty({mels(), kLanes});
  Float16Lanes *power = lanes_of(power_FL), *logs = lanes_of(logs_ML);
  for (int64_t begin = 0; begin < frames; begin += kBlockOfFrames) {
    const int64_t end = std::min(frames, begin + kBlockOfFrames);
    const torch::Tensor spectra_TF = spectra_of(signal, begin, end - begin);
    const auto* spectra = spectra_TF.const_data_ptr<float>();
    widest([&]() USAM_INLINE {
      for (int64_t t = begin; t < end; t += kLanes) {
        const int64_t count = std::min(kLanes, end - t);
        power_of(spectra + (t - begin) * 2 * bins, bins, count, power);
        filter(power, logs);
        unpack(logs, mels(), count, logs_TM.data() + t * mels());
      }
    });
  }
}

// (count, 2 F): real and imaginary parts in turn.
torch::Tensor MelSpectrum::spectra_of(const Signal& signal, int64_t begin, int64_t count) const {
  const torch::Tensor windowed_TN = torch::empty({count, transform_}, torch::kFloat32);
  float* windowed = windowed_TN.data_ptr<float>();
  for (int64_t t = begin; t < begin + count; ++t, windowed += transform_) {
    const float* frame = signal.frame(t, windowed);
    widest([&]() USAM_INLINE {
      for (int64_t i = 0; i < transform_; ++i) windowed[i] = frame[i] * window_[static_cast<size_t>(i)];
    });
  }
  return torch::view_as_real(torch::fft_rfft(windowed_TN).contiguous()).flatten(1);
}

inline void MelSpectrum::filter(const Float16Lanes* power, Float16Lanes* logs) const {
  for (const Filter& band : filters_) {
    const Float16Lanes* bin = power + band.first_bin;
    Float16Lanes energy{};
    for (const float weight : band.weights) energy += weight * *bin++;
    energy = energy > kLeast ? energy : kLeast - Float16Lanes{};
    log10_of(energy);
    *logs++ = energy;
  }
}

}  // namespace usam::data
