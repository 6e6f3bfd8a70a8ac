#pragma once
// How much a metric would move with another test set of the same size: the metric over samples drawn again, with
// replacement, from those there are (Efron's bootstrap; for two systems on the same draws, Koehn 2004).
#include <array>
#include <cstdint>
#include <vector>

#include "src/eval/metric.h"

namespace usam::eval {

// Resample `index` of a set of `size` samples: how often each is drawn. A pure function of seed, index and size, so
// that two systems, and two runs, see the same draws.
text::Weights resample(uint64_t seed, int64_t index, size_t size);

// The metric over each resample; NaN where it is not defined there.
std::vector<double> resampled(const Value& value, size_t size, const Bootstrap& bootstrap);

// From the 2.5th to the 97.5th percentile of the values that are not NaN (between two values in proportion, as numpy
// has it); NaN where there are none.
std::array<double, 2> interval_95(std::vector<double> values);

}  // namespace usam::eval
