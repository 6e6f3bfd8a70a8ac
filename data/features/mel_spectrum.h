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
// torch.stft with center=True and reflection and a product with the filters give, several frames side by side in the
// processor's vector registers. Immutable: any number of threads may call it at a time.
class MelSpectrum {
 public:
  // Those that the processor has, or those that every one has.
  enum class Instructions { kBest, kPlain };
  // transform: a multiple of 4 without prime factors but 2 and 5. filters_FM: (transform / 2 + 1, mels) float32, mostly
  // zeros.
  MelSpectrum(int64_t transform, int64_t hop, const torch::Tensor& filters_FM,
              Instructions instructions = Instructions::kBest);

  // The first `frames` frames, of at most n / hop + 1, of `samples` (n), reflected at both ends: n > transform / 2.
  // -> (frames, mels) float32, max(energy, 1e-10).
  torch::Tensor operator()(std::span<const float> samples, int64_t frames) const;

  struct Complex {
    float re = 0, im = 0;
  };
  // A step of the transform of half the length (Stockham, decimation in frequency): `blocks` butterflies of `radix`,
  // each on `stride` values side by side.
  struct Pass {
    int64_t radix = 0, blocks = 0, stride = 0;
    std::vector<Complex> turns;  // radix - 1 of each block
  };
  // The bins that a band's filter does not leave out.
  struct Filter {
    int64_t first_bin = 0;
    std::vector<float> weights;
  };
  struct Tables {
    int64_t transform = 0, hop = 0;
    std::vector<float> window;
    std::vector<Pass> passes;
    std::vector<Complex> turns;  // that part the spectra of the even and the odd samples
    std::vector<Filter> filters;
  };

 private:
  Tables tables_;
  Instructions instructions_;
};

}  // namespace usam::data
