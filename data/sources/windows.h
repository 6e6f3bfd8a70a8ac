#pragma once
#include <memory>
#include <string>
#include <vector>

#include "data/source.h"

namespace usam::data {

// A stretch of a recording.
struct Stretch {
  double offset = 0, seconds = 0;
};
// The windows of a recording, one where it fits: each but the last `window` seconds long and each beginning
// `window - overlap` seconds after the one before it, so that the last one, too, is longer than the overlap.
// 0 <= overlap < window.
std::vector<Stretch> window_stretches(double total, double window, double overlap);

// A source in which each row above `window` seconds stands as several rows: the windows of its file. A part's key is
// the row's with "#0", "#1", ...; it has no references, which belong to the whole row, and everything else of it.
class WindowSource final : public Source {
 public:
  // 0 <= overlap < window.
  WindowSource(std::shared_ptr<const Source> source, double window, double overlap);

  int64_t size() const override { return std::ssize(windows_); }
  Row row(int64_t index) const override;
  double seconds(int64_t index) const override { return windows_.at(static_cast<size_t>(index)).seconds; }
  std::string name() const override { return source_->name(); }
  std::string place(int64_t index) const override { return source_->place(original(index)); }

  // The row of the wrapped source that a row is or is a part of; it never falls as the index rises.
  int64_t original(int64_t index) const { return windows_.at(static_cast<size_t>(index)).original; }
  // How many rows a row of the wrapped source has become.
  int64_t parts_of(int64_t original) const;
  const Source& originals() const { return *source_; }
  double overlap() const { return overlap_; }

 private:
  struct Window {
    int64_t original;
    int64_t number;  // among the windows of its row; -1: the whole row
    double offset;   // from the row's own
    double seconds;
  };
  std::shared_ptr<const Source> source_;
  double overlap_;
  std::vector<Window> windows_;  // ascending by `original`
};

}  // namespace usam::data
