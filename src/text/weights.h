#pragma once
#include <cstddef>
#include <vector>

namespace usam::text {

// How often each sample counts, as a bootstrap draws them: a metric over samples with weights 2, 0, 1 is the metric
// over the first sample twice and the third once. Empty: every sample once.
using Weights = std::vector<double>;

inline double weight_of(const Weights& weights, size_t sample) {
  return weights.empty() ? 1 : weights[sample];
}

}  // namespace usam::text
