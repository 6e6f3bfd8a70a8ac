#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "data/features/lanes.h"

namespace usam::data {

// The values of a contiguous float32 tensor.
inline std::span<float> floats_of(const torch::Tensor& x) {
  return {x.data_ptr<float>(), static_cast<size_t>(x.numel())};
}

// The log-mel energies of a signal: periodic Hann window as long as the transform, power spectrum, triangular filters,
// logarithm; what torch.stft with center=True and reflection, a product with the filters and log10 give. The transform
// is torch's own: bands that hold little else than its rounding errors (a tone's neighbours, a clip that was sampled at
// 8 kHz above 4 kHz) would differ by up to 7e-5 of scale in Whisper's spectrogram and 2e-3 in CED's with another one.
// Immutable: any number of threads may call it at a time.
class MelSpectrum {
 public:
  // filters_FM: (transform / 2 + 1, mels) float32, mostly zeros.
  MelSpectrum(int64_t transform, int64_t hop, const torch::Tensor& filters_FM);

  int64_t mels() const { return static_cast<int64_t>(filters_.size()); }
  // log10(max(energy, 1e-10)) of the first frames, (frames, mels) as many as `logs_TM` holds and at most length / hop +
  // 1, of `samples` followed by zeros up to `length` and reflected at both ends: length > transform / 2.
  void operator()(std::span<const float> samples, int64_t length, std::span<float> logs_TM) const;

 private:
  // The bins that a band's filter does not leave out.
  struct Filter {
    int64_t first_bin = 0;
    std::vector<float> weights;
  };
  struct Signal;

  torch::Tensor spectra_of(const Signal& signal, int64_t begin, int64_t count) const;
  USAM_INLINE void filter(const Float16Lanes* power, Float16Lanes* logs) const;

  int64_t transform_, hop_;
  std::vector<float> window_;
  std::vector<Filter> filters_;  // by mel band
};

}  // namespace usam::data
