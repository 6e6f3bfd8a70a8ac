#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/features/lanes.h"
#include "data/features/real_transform.h"

namespace usam::data {

// The values of a contiguous float32 tensor.
inline std::span<float> floats_of(const torch::Tensor& x) {
  return {x.data_ptr<float>(), static_cast<size_t>(x.numel())};
}

// The log-mel energies of a signal: periodic Hann window as long as the transform, power spectrum, triangular filters,
// logarithm; what torch.stft with center=True and reflection, a product with the filters and log10 give. Immutable: any
// number of threads may call it at a time.
class MelSpectrum {
 public:
  // Whose transform. Bands that hold 1e-12 of the frame's loudest or less (a clip that was sampled at 8 kHz, above 4
  // kHz) show its rounding errors: with another one than the reference's their logarithms differ by some hundredths.
  // kOwn, several times as fast, is for those that cut them off.
  enum class Transform { kOwn, kTorch };
  // filters_FM: (transform / 2 + 1, mels) float32, mostly zeros.
  MelSpectrum(int64_t transform, int64_t hop, const torch::Tensor& filters_FM, Transform whose);

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
  struct Room;

  torch::Tensor spectra_of(const Signal& signal, int64_t begin, int64_t count) const;
  void log_mels(const Signal& signal, int64_t begin, const float* spectra, Room& room, std::span<float> logs_TM) const;
  USAM_INLINE void window(const Signal& signal, int64_t begin, int64_t count, Room& room) const;
  USAM_INLINE void filter(const Float16Lanes* power, Float16Lanes* logs) const;

  int64_t transform_, hop_;
  std::vector<float> window_;
  std::vector<Filter> filters_;  // by mel band
  std::optional<RealTransform> own_;
};

}  // namespace usam::data
