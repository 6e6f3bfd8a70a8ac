#pragma once
#include <torch/torch.h>

#include <memory>

#include "src/tensor/front_end_spec.h"

namespace usam::data {

// Turns a clip's samples into what an encoder is fed. Immutable once built: any number of threads may call it at a
// time.
class FrontEnd {
 public:
  virtual ~FrontEnd() = default;
  // samples (n) float32 at the spec's rate, n >= min_samples() -> (T, F) or (n), float32, contiguous.
  virtual torch::Tensor operator()(const torch::Tensor& samples) const = 0;
  // Shorter clips must be zero-padded to this.
  virtual int64_t min_samples() const { return 1; }
  // The longest clip that is encoded whole, in seconds; 0: no limit.
  virtual double max_seconds() const { return 0; }
  // Whether the output is a log-mel spectrogram (T, bands), which SpecAugment may mask.
  virtual bool is_spectrogram() const { return false; }
};

// The front end that a spec stands for.
std::shared_ptr<const FrontEnd> make_front_end(const FrontEndSpec& spec);

}  // namespace usam::data
