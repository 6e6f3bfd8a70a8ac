#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/config.h"
#include "data/source.h"

namespace usam::data {

// What an epoch's micro-batches depend on, beside the source and the epoch's number. Threads and world size are not
// among it.
struct PlanOptions {
  uint64_t seed = 0;
  BudgetConfig batch;
  bool shuffle = true;
  bool is_weighted = true;  // false: each row once, whatever the source's weights
  LongAudio long_audio = LongAudio::kTruncate;
  double max_seconds = 30;
  double min_seconds = 0;    // shorter clips are padded to this and cost as much
  double slowest_speed = 1;  // speed perturbation may make a clip longer by 1 / slowest_speed, up to max_seconds
};

// An epoch as a list of micro-batches.
struct EpochPlan {
  std::vector<Visit> visits;   // of all micro-batches, in order
  std::vector<size_t> begins;  // of each micro-batch in `visits`, and the end
  int64_t too_long = 0;        // visits left out under LongAudio::kDrop; a truncated clip is counted when it is cut

  int64_t size() const { return static_cast<int64_t>(begins.size()) - 1; }
  std::span<const Visit> micro_batch(int64_t index) const {
    const auto i = static_cast<size_t>(index);
    return {visits.data() + begins[i], begins[i + 1] - begins[i]};
  }
};

// Clips this little over max_seconds are cut whatever data.long_audio says: durations in manifests are rounded.
inline constexpr double kLengthTolerance = 0.01;

// The seconds that a clip is planned with: padded, slowed down and cut as the loader will do it at most.
double planned_seconds(double seconds, const PlanOptions& options);

// The micro-batches of an epoch. Each visit stands in exactly one of them, and each keeps to the budget.
// With shuffle: the visits are permuted, sorted by length inside windows of 4096 of them (by steps of 15 %, so that
// what meets in a micro-batch still changes from epoch to epoch), cut into micro-batches, and these are permuted.
// Without: in order. UserError: a clip that is longer than allowed (LongAudio::kError) or, by itself, than the budget;
// an epoch without a visit.
EpochPlan plan_epoch(const Source& source, const PlanOptions& options, int64_t epoch);

}  // namespace usam::data
