#pragma once
#include "data/features/front_end.h"
#include "data/features/mel_spectrum.h"

namespace usam::data {

// Whisper's log-mel (transformers' WhisperFeatureExtractor): periodic Hann window and transform of 400, hop 160,
// reflected by 200 at both ends of 30 s, Slaney bands over 0 to 8000 Hz, log10(max(x, 1e-10)), floored 8 below the
// maximum, (x + 4) / 4. thirty_seconds: (3000, mels); more audio is cut as the reference cuts it, which the loader
// never lets happen. else: the first 2 ceil(n / 320) of those frames, computed without the rest; more than 30 s is a
// UserError.
class WhisperMel final : public FrontEnd {
 public:
  explicit WhisperMel(const WhisperMelSpec& spec);
  torch::Tensor operator()(const torch::Tensor& samples) const override;
  double max_seconds() const override { return 30; }
  bool is_spectrogram() const override { return true; }

 private:
  WhisperMelSpec spec_;
  MelSpectrum mels_;
};

}  // namespace usam::data
