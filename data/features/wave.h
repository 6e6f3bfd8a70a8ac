#pragma once
#include "data/features/front_end.h"

namespace usam::data {

// The wave itself, for encoders with a convolutional front (HuBERT, MERT): (n) -> (n). With `normalize` each clip gets
// zero mean and unit variance, (x - mean) / sqrt(var + 1e-7) with the population variance, as transformers'
// Wav2Vec2FeatureExtractor does.
class Wave final : public FrontEnd {
 public:
  explicit Wave(const WaveSpec& spec) : spec_(spec) {}
  torch::Tensor operator()(const torch::Tensor& samples) const override;

 private:
  WaveSpec spec_;
};

}  // namespace usam::data
