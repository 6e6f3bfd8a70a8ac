#include "data/features/real_transform.h"

#include <cmath>
#include <numbers>

#include "src/base/error.h"

namespace usam::data {

// exp(-2 pi i k / n)
RealTransform::Turn RealTransform::turn(int64_t k, int64_t n) {
  const double angle = -2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
  return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
}

RealTransform::RealTransform(int64_t length) : length_(length) {
  if (length < 4 || length % 4 != 0) internal_error("a transform of {} is no multiple of 4", length);
  for (int64_t left = length / 2, stride = 1; left > 1;) {
    Pass& pass = passes_.emplace_back();
    pass.radix = left % 4 == 0 ? 4 : left % 2 == 0 ? 2 : 5;
    if (left % pass.radix != 0) internal_error("a transform of {} has prime factors other than 2 and 5", length);
    pass.blocks = left / pass.radix;
    pass.stride = stride;
    for (int64_t p = 0; p < pass.blocks; ++p)
      for (int64_t k = 1; k < pass.radix; ++k) pass.turns.push_back(turn(p * k, left));
    left /= pass.radix;
    stride *= pass.radix;
  }
  for (int64_t k = 0; k <= length / 4; ++k) parting_.push_back(turn(k, length));
}

}  // namespace usam::data
