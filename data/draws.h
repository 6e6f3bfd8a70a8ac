#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "src/base/draw.h"

namespace usam::data {

// How many visits the rows of each share get in one epoch. Weight w gives each row floor(w) of them, and the fraction
// w - floor(w) of the rows one more. How many rows that is, is said for any stretch of a share by systematic rounding:
// with r rows before it and n in it, floor(fraction * (r + n) + u) - floor(fraction * r + u) for one u in [0, 1) drawn
// for the epoch. So a share's total is within 1 of what its weight says, any stretch's too, and exact in the mean.
class Draws {
 public:
  Draws(std::vector<double> weights, DrawKey key) : weights_(std::move(weights)) {
    for (size_t i = 0; i < weights_.size(); ++i) offsets_.push_back(uniform(key.with("rounding"), i));
  }

  // Visits that every row of a share gets.
  int64_t whole(size_t share) const { return static_cast<int64_t>(std::floor(weights_[share])); }
  // How many of `rows` rows that come after `before` others of their share get one more.
  int64_t extra(size_t share, int64_t before, int64_t rows) const {
    return std::min(up_to(share, before + rows) - up_to(share, before), rows);
  }

 private:
  int64_t up_to(size_t share, int64_t rows) const {
    const double fraction = weights_[share] - std::floor(weights_[share]);
    return static_cast<int64_t>(std::floor(fraction * static_cast<double>(rows) + offsets_[share]));
  }

  std::vector<double> weights_, offsets_;
};

}  // namespace usam::data
