#include "data/cells.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "src/base/error.h"

namespace usam::data {
namespace {

const double kStep = std::log(1.15);
constexpr double kLeastSeconds = 1e-3;  // shorter rows are of the first class
constexpr int kClasses = 240;           // of seconds and of tokens: up to more than 1e11
constexpr uint16_t kLeftOut = std::numeric_limits<uint16_t>::max();
static_assert(kClasses * kClasses < kLeftOut);

int step_of(double ratio) {
  return std::clamp(static_cast<int>(std::log(ratio) / kStep), 0, kClasses - 1);
}

// A number for each class of rows, in the order in which cells stand.
uint16_t class_of(const RowSize& size) {
  const int seconds = step_of(std::max(size.seconds / kLeastSeconds, 1.0));
  const int tokens = step_of(static_cast<double>(std::max<int64_t>(size.tokens, 1)));
  return static_cast<uint16_t>(seconds * kClasses + (seconds % 2 == 0 ? tokens : kClasses - 1 - tokens));
}

}  // namespace

Cells::Cells(const Source& source, const PlanOptions& options) {
  const std::vector<Share> shares = source.shares();
  shares_ = std::ssize(shares);
  too_long_.resize(shares.size());
  if (source.size() > std::numeric_limits<int32_t>::max())
    user_error("{}: {} rows are more than the 2147483647 that one run can take: train on parts of them", source.name(),
               source.size());
  std::vector<uint16_t> classes(static_cast<size_t>(source.size()), kLeftOut);
  std::vector<RowSize> largest(kClasses * kClasses);
  std::vector<bool> is_there(largest.size());
  Sizes sizes(source, options);
  for (size_t s = 0; s < shares.size(); ++s) {
    for (int64_t row = shares[s].begin; row < shares[s].end; ++row) {
      const std::optional<RowSize> size = sizes.of(s, row);
      if (!size) {
        ++too_long_[s];
        continue;
      }
      const uint16_t c = classes[static_cast<size_t>(row)] = class_of(*size);
      largest[c] = cover(largest[c], *size);
      is_there[c] = true;
    }
  }
  std::vector<int64_t> cell_of(largest.size(), -1);
  for (size_t c = 0; c < largest.size(); ++c) {
    if (!is_there[c]) continue;
    cell_of[c] = std::ssize(sizes_);
    sizes_.push_back(largest[c]);
  }
  const auto place = [&](int64_t row, size_t share) {
    return static_cast<size_t>(cell_of[classes[static_cast<size_t>(row)]] * shares_) + share;
  };
  const auto each = [&](auto f) {
    for (size_t s = 0; s < shares.size(); ++s)
      for (int64_t row = shares[s].begin; row < shares[s].end; ++row)
        if (classes[static_cast<size_t>(row)] != kLeftOut) f(row, place(row, s));
  };
  first_.resize(sizes_.size() * shares.size() + 1);
  each([&](int64_t, size_t at) { ++first_[at + 1]; });
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  order_.resize(static_cast<size_t>(first_.back()));
  std::vector<int64_t> next(first_.begin(), first_.end() - 1);
  each([&](int64_t row, size_t at) { order_[static_cast<size_t>(next[at]++)] = static_cast<int32_t>(row); });
}

}  // namespace usam::data
