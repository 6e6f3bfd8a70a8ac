#pragma once
// Where the time of the steps between two log lines went, on which rank.
#include <optional>
#include <string>
#include <vector>

#include "src/dist/communicator.h"
#include "trainer/memory.h"

namespace usam {

// What all ranks know of an interval. Seconds are sums over its steps.
struct Interval {
  int64_t steps = 0;
  // Waiting for samples, computing, and waiting in operations with other ranks: means over the ranks.
  double data = 0, compute = 0, communication = 0;
  // The rank with the most seconds of data and compute, these seconds, and by how much the other ranks' median is less:
  // 0.25 where it has a quarter more.
  int64_t slowest = 0;
  double slowest_seconds = 0, spread = 0;
  PeakMemory memory;  // the most of any rank
  double sent = 0;    // bytes that a rank sent to others in a step, the mean over steps and ranks
};

// Adds up the steps of an interval.
class IntervalClock {
 public:
  // `sent`: what the ranks' traffic (Communicator::sent) stands at when the first interval begins.
  explicit IntervalClock(int64_t sent) : sent_(sent) {}
  // `seconds` of a step, `data` of them spent waiting for samples and `communication` in operations.
  void add(double seconds, double data, double communication);
  // Ends the interval; every rank calls it at the same step.
  Interval close(dist::Communicator& ranks, torch::Device device);
  // At the third interval in a row, each of a second or more, in which the same rank was slower than the others by more
  // than a fifth: a sentence about it; else "".
  std::string warning(const Interval& interval);

 private:
  int64_t steps_ = 0;
  double data_ = 0, compute_ = 0, communication_ = 0;
  int64_t sent_;
  int64_t suspect_ = -1, times_ = 0;
};

}  // namespace usam
