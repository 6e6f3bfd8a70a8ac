#include "data/sources/windows.h"

#include <algorithm>

#include "data/plan.h"
#include "src/base/error.h"

namespace usam::data {

WindowSource::WindowSource(std::shared_ptr<const Source> source, double window, double overlap)
    : source_(std::move(source)), overlap_(overlap) {
  if (!(overlap >= 0 && overlap < window)) internal_error("windows of {} s overlap by {} s", window, overlap);
  const double step = window - overlap;
  for (int64_t i = 0; i < source_->size(); ++i) {
    const double total = source_->seconds(i);
    if (total <= window + kLengthTolerance) {
      windows_.push_back({i, -1, 0, total});
      continue;
    }
    bool is_last = false;
    for (int64_t number = 0; !is_last; ++number) {
      const double offset = static_cast<double>(number) * step;
      is_last = offset + window >= total - kLengthTolerance;
      windows_.push_back({i, number, offset, is_last ? total - offset : window});
    }
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
