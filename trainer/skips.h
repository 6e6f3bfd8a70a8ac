#pragma once
// Samples that could not be used, counted over all ranks: how many travels with the counts of a step.
#include "trainer/batches.h"
#include "trainer/sums.h"

namespace usam {

class Skips {
 public:
  // Notes what one of this rank's micro-batches lost.
  void add(const data::Batch& batch, Counts& counts);
  // After the counts were summed over the ranks, on every rank: how many samples of the epoch were lost, `before` of
  // them earlier. UserError, on every rank alike, where these are more than the data allows.
  int64_t check(const Counts& counts, int64_t before, const Batches& data, const data::Cursor& at,
                dist::Communicator& ranks) const;

 private:
  data::Skipped last_;
};

}  // namespace usam
