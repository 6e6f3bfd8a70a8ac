#pragma once
#include <torch/torch.h>

#include <vector>

#include "src/tensor/frames.h"

namespace usam::test {

// (B, T, D) of so many frames a second, drawn from torch's generator; beyond each length `padding`, which must not
// matter.
inline Frames random_frames(const std::vector<int64_t>& lengths, int64_t T, int64_t D, double rate,
                            double padding = 0) {
  const auto lengths_B = torch::tensor(lengths);
  const auto mask = length_mask(lengths_B, T);
  return {torch::randn({std::ssize(lengths), T, D}).masked_fill(~mask.unsqueeze(2), padding), lengths_B, rate};
}

}  // namespace usam::test
