#pragma once
// What the trainer asks of the data: micro-batches by position. The program wires it to data/.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"

namespace usam {

// One rank's micro-batches, in order, from a cursor to the end of its epoch.
//
// From cursor (e, m) rank r of R gets the micro-batches m + r, m + r + R, ... of epoch e. Every rank gets equally many:
// a rank whose turn lies beyond the end of the epoch gets a batch without samples, so that collectives inside a forward
// pass meet. After the last round, nullopt.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  virtual std::optional<data::Batch> next() = 0;
  // Waits for the next micro-batch, for `limit` at most: the keys of its samples that are still missing then.
  virtual std::vector<std::string> missing_after(std::chrono::milliseconds /*limit*/) { return {}; }
};

// A data set as the trainer sees it.
struct Batches {
  // How many micro-batches a cursor's epoch has, over all ranks; pure, and the same on every rank.
  std::function<int64_t(const data::Cursor&)> micro_batches;
  // Starts reading at a cursor. The stream before it is destroyed first.
  std::function<std::unique_ptr<BatchStream>(data::Cursor)> open;
  // UserError where so many samples of a cursor's epoch, over all ranks, are more than may be left out; may be empty.
  std::function<void(const data::Cursor&, int64_t skipped, const data::Skipped& last)> check_skipped = {};
  // The micro-batches of a cursor's epoch that take most memory, for a try; may be empty.
  std::function<std::vector<data::Batch>(const data::Cursor&)> worst = {};
  // The last step of every phase of the curriculum but the last: it ends its epoch, and the next phase begins.
  std::vector<int64_t> phase_ends = {};

  bool ends_phase(int64_t phase, int64_t step) const {
    return phase < std::ssize(phase_ends) && step == phase_ends[static_cast<size_t>(phase)];
  }
};

}  // namespace usam
