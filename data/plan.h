#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/config.h"
#include "data/source.h"

namespace usam::data {

// What the micro-batches depend on, beside the source and an epoch's number. Threads and world size are not among it.
struct PlanOptions {
  uint64_t seed = 0;
  BudgetConfig batch;
  bool shuffle = true;
  std::vector<std::vector<double>> phases;  // weights of the source's shares in each phase; empty: each row once
  LongAudio long_audio = LongAudio::kTruncate;
  double max_seconds = 30;
  std::string prefix = "data.";  // of the keys that messages name
  double min_seconds = 0;        // shorter clips are padded to this and cost as much
  double slowest_speed = 1;      // speed perturbation may make a clip longer by 1 / slowest_speed, up to max_seconds
  std::function<SampleLength(const Row&, double seconds)> length;  // for batch.tokens
};

// An epoch as a list of micro-batches, none of which is made before it is asked for. Thread-safe.
class EpochPlan {
 public:
  virtual ~EpochPlan() = default;
  // Micro-batches, over all ranks, and the visits in all of them.
  virtual int64_t size() const = 0;
  virtual int64_t visits() const = 0;
  // The visits of a micro-batch, in time that depends on their number alone.
  virtual std::vector<Visit> micro_batch(int64_t index) const = 0;
  // The micro-batch that takes most of the budget and the one with the longest row, by upper bounds; one or two.
  virtual std::vector<int64_t> worst() const = 0;
  // Rows left out under LongAudio::kDrop; a truncated clip is counted when it is cut.
  virtual int64_t too_long() const = 0;
};

// Clips this little over max_seconds are cut whatever data.long_audio says: durations in manifests are rounded.
inline constexpr double kLengthTolerance = 0.01;

// Whether a clip is longer than may be planned: left out, or an error.
inline bool is_too_long(double seconds, const PlanOptions& options) {
  return seconds > options.max_seconds + kLengthTolerance && options.long_audio != LongAudio::kTruncate;
}
// The seconds that a clip is planned with: padded, slowed down and cut as the loader will do it at most.
double planned_seconds(double seconds, const PlanOptions& options);

class Cells;

// Plans the epochs of a source. Each visit stands in exactly one micro-batch, and each of these keeps to the budget.
// With shuffle: rows are grouped by size once (Cells); in an epoch the visits of a cell are permuted, all shares among
// each other, the cells are cut into micro-batches one after the other, and these are permuted. All of it is
// arithmetic: a plan holds a few numbers a cell. Without: rows in order, copies of a row behind one another.
class Planner {
 public:
  // UserError: a clip that is longer than allowed (LongAudio::kError) or, by itself, than the budget; a phase of which
  // nothing is left.
  Planner(std::shared_ptr<const Source> source, PlanOptions options);
  ~Planner();

  std::shared_ptr<const EpochPlan> plan(int64_t epoch, int64_t phase = 0) const;

 private:
  void check_phase(size_t phase) const;

  std::shared_ptr<const Source> source_;
  PlanOptions options_;
  std::shared_ptr<const Cells> cells_;    // with shuffle
  std::vector<int64_t> kept_, too_long_;  // rows of each share
};

}  // namespace usam::data
