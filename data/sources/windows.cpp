#include "data/sources/windows.h"

#include <algorithm>

#include "data/plan.h"
#include "src/base/error.h"

namespace usam::data {

std::vector<Stretch> window_stretches(double total, double window, double overlap) {
  if (!(overlap >= 0 && overlap < window)) internal_error("windows of {} s overlap by {} s", window, overlap);
  if (total <= window + kLengthTolerance) return {{0, total}};
  std::vector<Stretch> all;
  for (bool is_last = false; !is_last;) {
    const double offset = static_cast<double>(all.size()) * (window - overlap);
    is_last = offset + window >= total - kLengthTolerance;
    all.push_back({offset, is_last ? total - offset : window});
  }
  return all;
}

WindowSource::WindowSource(std::shared_ptr<const Source> source, double window, double overlap)
    : source_(std::move(source)), overlap_(overlap) {
  for (int64_t i = 0; i < source_->size(); ++i) {
    const auto stretches = window_stretches(source_->seconds(i), window, overlap);
    const bool is_whole = stretches.size() == 1;
    for (size_t number = 0; number < stretches.size(); ++number)
      windows_.push_back(
          {i, is_whole ? -1 : static_cast<int64_t>(number), stretches[number].offset, stretches[number].seconds});
  }
}

int64_t WindowSource::parts_of(int64_t original) const {
  return std::ssize(std::ranges::equal_range(windows_, original, {}, &Window::original));
}

Row WindowSource::row(int64_t index) const {
  const Window& window = windows_.at(static_cast<size_t>(index));
  Row row = source_->row(window.original);
  if (window.number < 0) return row;
  row.key += "#" + std::to_string(window.number);
  row.references.clear();
  row.audio().is_part = true;
  row.audio().offset += window.offset;
  row.seconds = window.seconds;
  return row;
}

}  // namespace usam::data
