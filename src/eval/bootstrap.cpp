#include "src/eval/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/base/draw.h"

namespace usam::eval {
namespace {

double percentile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const double low = sorted[below], high = sorted[std::min(below + 1, sorted.size() - 1)];
  return low + (high - low) * (place - static_cast<double>(below));
}

}  // namespace

text::Weights resample(uint64_t seed, int64_t index, size_t size) {
  const DrawKey key = draw_key(seed, "bootstrap", static_cast<uint64_t>(index));
  text::Weights weights(size);
  for (size_t i = 0; i < size; ++i) ++weights[below(key, size, i)];
  return weights;
}

std::vector<double> resampled(const Value& value, size_t size, const Bootstrap& bootstrap) {
  std::vector<double> values;
  for (int64_t r = 0; r < bootstrap.resamples; ++r) values.push_back(value(resample(bootstrap.seed, r, size)));
  return values;
}

std::array<double, 2> interval_95(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {kUndefined, kUndefined};
  std::ranges::sort(values);
  return {percentile(values, 0.025), percentile(values, 0.975)};
}

}  // namespace usam::eval
