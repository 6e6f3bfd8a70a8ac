#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

namespace usam::data {

// The values of a contiguous float32 tensor.
inline std::span<float> floats_of(const torch::Tensor& x) {
  return {x.data_ptr<float>(), static_cast<size_t>(x.numel())};
}

// The mel energies of a signal: periodic Hann window as long as the transform, power spectrum, triangular filters; what
// torch.stft with center=True and reflection and a product with the filters give. The transform is torch's own: in
// bands that hold only its rounding errors (a clip that was sampled at 8 kHz, above 4 kHz) another one's logarithms
// would differ by tenths of a decibel. Immutable: any number of threads may call it at a time.
class MelSpectrum {
 public:
  // filters_FM: (transform / 2 + 1, mels) float32, mostly zeros.
  MelSpectrum(int64_t transform, int64_t hop, const torch::Tensor& filters_FM);

  // The first `frames` frames, of at most n / hop + 1, of `samples` (n), reflected at both ends: n > transform / 2.
  // -> (frames, mels) float32, max(energy, 1e-10).
  torch::Tensor operator()(std::span<const float> samples, int64_t frames) const;

 private:
  // The bins that a band's filter does not leave out.
  struct Filter {
    int64_t first_bin = 0;
    std::vector<float> weights;
  };

  void filter(const float* spectra, int64_t count, std::vector<float>& power, float* energies) const;

  int64_t transform_, hop_;
  std::vector<float> window_;
  std::vector<Filter> filters_;  // by mel band
};

}  // namespace usam::data
