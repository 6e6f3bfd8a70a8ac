#include "data/plan.h"

#include <algorithm>

#include "data/permutation.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::Lengths;

std::vector<double> random_lengths(int64_t count, uint64_t seed) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < count; ++i)
    seconds.push_back(0.1 + 19 * std::pow(uniform(DrawKey(seed), static_cast<uint64_t>(i)), 3));
  return seconds;
}

PlanOptions options(double seconds, uint64_t seed = 3) {
  PlanOptions o;
  o.seed = seed;
  o.batch.seconds = seconds;
  return o;
}

std::vector<int64_t> rows_of(const EpochPlan& plan) {
  std::vector<int64_t> rows;
  for (const Visit& visit : plan.visits) rows.push_back(visit.row);
  return rows;
}

TEST(Plan, EveryRowExactlyOnceAndTheBudgetIsKept) {
  for (const int64_t count : {1, 2, 7, 100, 9000}) {
    const Lengths source(random_lengths(count, 5));
    for (const double budget : {20.0, 120.0}) {
      PlanOptions o = options(budget);
      o.min_seconds = 0.15;
      if (count == 100) o.batch.rows = 4;
      const EpochPlan plan = plan_epoch(source, o, 2);
      std::vector<int64_t> rows = rows_of(plan);
      std::sort(rows.begin(), rows.end());
      ASSERT_EQ(std::ssize(rows), count);
      for (int64_t i = 0; i < count; ++i) ASSERT_EQ(rows[static_cast<size_t>(i)], i);
      for (int64_t m = 0; m < plan.size(); ++m) {
        const auto visits = plan.micro_batch(m);
        ASSERT_FALSE(visits.empty());
        double longest = 0.15;
        for (const Visit& visit : visits) longest = std::max(longest, source.seconds(visit.row));
        ASSERT_LE(longest * static_cast<double>(visits.size()), budget);
        if (o.batch.rows) ASSERT_LE(std::ssize(visits), *o.batch.rows);
      }
    }
  }
}

TEST(Plan, BucketsKeepPaddingLow) {
  const Lengths source(random_lengths(9000, 6));
  const EpochPlan plan = plan_epoch(source, options(120), 0);
  double used = 0, padded = 0;
  for (int64_t m = 0; m < plan.size(); ++m) {
    double longest = 0;
    for (const Visit& visit : plan.micro_batch(m)) {
      used += source.seconds(visit.row);
      longest = std::max(longest, source.seconds(visit.row));
    }
    padded += longest * static_cast<double>(plan.micro_batch(m).size());
  }
  EXPECT_GT(used / padded, 0.85);
}

TEST(Plan, IsAPureFunctionOfSeedAndEpoch) {
  const Lengths source(random_lengths(500, 7));
  const EpochPlan a = plan_epoch(source, options(60), 1), b = plan_epoch(source, options(60), 1);
  EXPECT_EQ(a.visits, b.visits);
  EXPECT_EQ(a.begins, b.begins);
  EXPECT_NE(a.visits, plan_epoch(source, options(60), 2).visits);
  EXPECT_NE(a.visits, plan_epoch(source, options(60, 4), 1).visits);
}

// What meets in a micro-batch must change from epoch to epoch even when the whole corpus fits one window.
TEST(Plan, CompanyChanges) {
  const Lengths source(std::vector<double>(64, 1.0));
  const auto first = [&](int64_t epoch) {
    const EpochPlan plan = plan_epoch(source, options(8), epoch);
    for (int64_t m = 0; m < plan.size(); ++m) {
      std::vector<int64_t> rows;
      for (const Visit& visit : plan.micro_batch(m)) rows.push_back(visit.row);
      if (std::find(rows.begin(), rows.end(), 0) != rows.end()) return std::set<int64_t>(rows.begin(), rows.end());
    }
    return std::set<int64_t>();
  };
  EXPECT_EQ(first(0).size(), 8u);
  EXPECT_NE(first(0), first(1));
}

TEST(Plan, WithoutShuffleTheOrderIsTheManifests) {
  const Lengths source({3, 1, 2, 2, 8, 1});
  PlanOptions o = options(8);
  o.shuffle = false;
  const EpochPlan plan = plan_epoch(source, o, 5);
  EXPECT_EQ(rows_of(plan), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(plan.begins, (std::vector<size_t>{0, 2, 4, 5, 6}));
}

TEST(Plan, LongClips) {
  const Lengths source({3, 31, 2, 40, 30.005});
  PlanOptions o = options(60);
  o.shuffle = false;
  EXPECT_EQ(plan_epoch(source, o, 0).visits.size(), 5u);  // truncate
  o.long_audio = LongAudio::kDrop;
  const EpochPlan dropped = plan_epoch(source, o, 0);
  EXPECT_EQ(rows_of(dropped), (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(dropped.too_long, 2);
  o.long_audio = LongAudio::kError;
  EXPECT_EQ(test::message_of([&] { plan_epoch(source, o, 0); }),
            "lengths.jsonl:2: clip 'clip1' has 31.00 s, more than data.max_seconds = 30 (2 such clips); set "
            "data.long_audio to truncate "
            "or drop, or raise data.max_seconds");
}

TEST(Plan, AnEpochWithoutClipsIsRefused) {
  PlanOptions o = options(60);
  o.long_audio = LongAudio::kDrop;
  EXPECT_EQ(test::message_of([&] { plan_epoch(Lengths({31, 32}), o, 3); }),
            "lengths.jsonl: nothing is left of epoch 3: 2 of 2 clips are longer than data.max_seconds = 30");
}

TEST(Plan, AClipAboveTheBudgetIsRefused) {
  EXPECT_EQ(test::message_of([&] { plan_epoch(Lengths({3, 12}), options(10), 0); }),
            "lengths.jsonl:2: clip 'clip1' takes 12.00 s, more than data.batch.seconds = 10; raise that or lower "
            "data.max_seconds");
}

TEST(Plan, SlowedClipsCostMore) {
  PlanOptions o;
  o.slowest_speed = 0.5;
  o.min_seconds = 0.15;
  EXPECT_DOUBLE_EQ(planned_seconds(4, o), 8);
  EXPECT_DOUBLE_EQ(planned_seconds(20, o), 30);
  EXPECT_DOUBLE_EQ(planned_seconds(0.01, o), 0.15);
  o.slowest_speed = 1.1;
  EXPECT_DOUBLE_EQ(planned_seconds(4, o), 4);
}

TEST(Permutation, IsUniformAndRepeatable) {
  EXPECT_EQ(permutation(50, DrawKey(1)), permutation(50, DrawKey(1)));
  std::vector<int64_t> counts(5);
  for (uint64_t seed = 0; seed < 2000; ++seed) ++counts[static_cast<size_t>(permutation(5, DrawKey(seed))[0])];
  for (const int64_t count : counts) EXPECT_NEAR(static_cast<double>(count), 400, 80);
}

}  // namespace
}  // namespace usam::data
