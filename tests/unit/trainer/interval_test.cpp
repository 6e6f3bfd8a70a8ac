#include "trainer/interval.h"

#include <gtest/gtest.h>

#include "tests/thread_ranks.h"

namespace usam {
namespace {

TEST(Interval, TheSlowestRankAndWhereTheTimeWent) {
  test::on_threads(3, [](dist::Communicator& ranks) {
    const auto rank = static_cast<double>(ranks.rank());
    IntervalClock clock(0);
    clock.add(10, 1 + rank, 6 - 3 * rank);  // computes for 3, 5 and 7 s, and so waits the less
    clock.add(1, 0, 1);
    const Interval interval = clock.close(ranks, torch::kCPU);
    EXPECT_EQ(interval.steps, 2);
    EXPECT_DOUBLE_EQ(interval.data, 2);
    EXPECT_DOUBLE_EQ(interval.compute, 5);
    EXPECT_DOUBLE_EQ(interval.communication, 4);
    EXPECT_EQ(interval.slowest, 2);
    EXPECT_DOUBLE_EQ(interval.slowest_seconds, 10);
    EXPECT_DOUBLE_EQ(interval.spread, 10 / 5.5 - 1);  // the others have 4 and 7
    EXPECT_GT(interval.memory.host, 10'000'000);
    EXPECT_EQ(interval.memory.device, 0);
    EXPECT_EQ(clock.close(ranks, torch::kCPU).slowest_seconds, 0);  // begins anew
  });
}

TEST(Interval, OneRankHasNoOthers) {
  IntervalClock clock(0);
  clock.add(2, 0.5, 0);
  const auto alone = dist::single_rank();
  const Interval interval = clock.close(*alone, torch::kCPU);
  EXPECT_EQ(interval.slowest, 0);
  EXPECT_EQ(interval.spread, 0);
  EXPECT_DOUBLE_EQ(interval.compute, 1.5);
}

TEST(Interval, WarnsOnceOfARankThatStaysSlow) {
  IntervalClock clock(0);
  Interval interval;
  interval.steps = 10;
  interval.slowest = 3;
  interval.slowest_seconds = 12.5;
  interval.spread = 0.25;
  const auto warn = [&] { return clock.warning(interval); };
  EXPECT_EQ(warn(), "");
  EXPECT_EQ(warn(), "");
  EXPECT_EQ(warn(),
            "Rank 3 is slow: data and compute of the last 10 steps took it 12.5 s, 25 % more than the other ranks, "
            "which wait for it.");
  EXPECT_EQ(warn(), "");
  interval.slowest = 1;
  EXPECT_EQ(warn() + warn(), "");
  interval.spread = 0.1;
  EXPECT_EQ(warn(), "");
  interval.spread = 0.5;
  EXPECT_EQ(warn() + warn(), "");
  EXPECT_TRUE(warn().starts_with("Rank 1 is slow: "));
  IntervalClock another(0);
  interval.slowest_seconds = 0.5;  // too short to tell
  EXPECT_EQ(another.warning(interval) + another.warning(interval) + another.warning(interval), "");
}

}  // namespace
}  // namespace usam
