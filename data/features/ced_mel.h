#pragma once
#include "data/features/front_end.h"
#include "data/features/mel_spectrum.h"

namespace usam::data {

// CED's log-mel in dB: (n) -> (n / 160 + 1, 64). Periodic Hann window and transform of 512, hop 160, reflected by 256
// at both ends, power, 64 HTK bands over 0 to 8000 Hz, 10 log10(max(x, 1e-10)), floored 120 dB below the clip's own
// peak (peer/ced_model.py, CedFrontEnd(per_clip=True)).
class CedMel final : public FrontEnd {
 public:
  explicit CedMel(const CedMelSpec& spec);
  torch::Tensor operator()(const torch::Tensor& samples) const override;
  int64_t min_samples() const override { return 257; }  // the reflection needs more samples than it is wide
  bool is_spectrogram() const override { return true; }

 private:
  MelSpectrum mels_;
};

}  // namespace usam::data
