// T frames, F mel bands.
#include "data/augment/spec_augment.h"

#include <algorithm>

namespace usam::data {
namespace {

constexpr int64_t kLargestShare = 5;  // a time mask takes at most a fifth of the clip

struct Mask {
  int64_t begin, end;
};

// Width up to `widest` and place inside `size`, from the key's draws 2 i and 2 i + 1.
Mask draw_mask(int64_t size, int64_t widest, DrawKey key, uint64_t i) {
  const auto width = static_cast<int64_t>(uniform(key, 2 * i) * static_cast<double>(std::min(widest, size) + 1));
  const auto begin = static_cast<int64_t>(uniform(key, 2 * i + 1) * static_cast<double>(size - width + 1));
  return {begin, begin + width};
}

}  // namespace

torch::Tensor spec_augment(const torch::Tensor& features_TF, int64_t valid, const SpecAugmentConfig& config,
                           DrawKey key) {
  const at::NoGradGuard no_grad;
  const int64_t frames = std::min(valid, features_TF.size(0)), bands = features_TF.size(1);
  torch::Tensor masked_TF = features_TF.clone();
  torch::Tensor clip_TF = masked_TF.slice(0, 0, frames);
  const double mean = clip_TF.mean().item<double>();
  for (int64_t i = 0; i < config.time_masks; ++i) {
    const Mask mask = draw_mask(frames, std::min(config.time_width, frames / kLargestShare), key.with("time"),
                                static_cast<uint64_t>(i));
    clip_TF.slice(0, mask.begin, mask.end).fill_(mean);
  }
  for (int64_t i = 0; i < config.frequency_masks; ++i) {
    const Mask mask = draw_mask(bands, config.frequency_width, key.with("frequency"), static_cast<uint64_t>(i));
    clip_TF.slice(1, mask.begin, mask.end).fill_(mean);
  }
  return masked_TF;
}

}  // namespace usam::data
