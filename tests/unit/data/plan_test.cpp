#include "data/plan.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "data/budget.h"
#include "src/tensor/rng.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::Lengths;
using test_support::plan_epoch;

std::vector<double> random_lengths(int64_t count, uint64_t seed) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < count; ++i)
    seconds.push_back(0.1 + 19 * std::pow(uniform(DrawKey(seed), static_cast<uint64_t>(i)), 3));
  return seconds;
}

std::shared_ptr<const Lengths> lengths(std::vector<double> seconds) {
  return std::make_shared<Lengths>(std::move(seconds));
}

PlanOptions options(double seconds, uint64_t seed = 3) {
  PlanOptions o;
  o.seed = seed;
  o.batch.seconds = seconds;
  return o;
}

std::vector<std::vector<Visit>> all_of(const EpochPlan& plan) {
  std::vector<std::vector<Visit>> all;
  for (int64_t m = 0; m < plan.size(); ++m) all.push_back(plan.micro_batch(m));
  return all;
}

std::vector<int64_t> rows_of(const EpochPlan& plan) {
  std::vector<int64_t> rows;
  for (const auto& visits : all_of(plan))
    for (const Visit& visit : visits) rows.push_back(visit.row);
  return rows;
}

std::vector<size_t> sizes_of(const EpochPlan& plan) {
  std::vector<size_t> sizes;
  for (const auto& visits : all_of(plan)) sizes.push_back(visits.size());
  return sizes;
}

TEST(Plan, EveryRowExactlyOnceAndTheBudgetIsKept) {
  for (const int64_t count : {1, 2, 7, 100, 9000}) {
    const auto source = lengths(random_lengths(count, 5));
    for (const double budget : {20.0, 120.0}) {
      for (const bool shuffle : {true, false}) {
        PlanOptions o = options(budget);
        o.min_seconds = 0.15;
        o.shuffle = shuffle;
        if (count == 100) o.batch.rows = 4;
        const auto plan = plan_epoch(source, o, 2);
        std::vector<int64_t> rows = rows_of(*plan);
        std::sort(rows.begin(), rows.end());
        ASSERT_EQ(std::ssize(rows), count);
        ASSERT_EQ(plan->visits(), count);
        for (int64_t i = 0; i < count; ++i) ASSERT_EQ(rows[static_cast<size_t>(i)], i);
        for (const auto& visits : all_of(*plan)) {
          ASSERT_FALSE(visits.empty());
          double longest = 0.15;
          for (const Visit& visit : visits) longest = std::max(longest, source->seconds(visit.row));
          ASSERT_LE(longest * static_cast<double>(visits.size()), budget);
          if (o.batch.rows) ASSERT_LE(std::ssize(visits), *o.batch.rows);
        }
      }
    }
  }
}

TEST(Plan, CellsKeepPaddingLow) {
  const auto source = lengths(random_lengths(9000, 6));
  const auto plan = plan_epoch(source, options(120), 0);
  double used = 0, padded = 0;
  for (const auto& visits : all_of(*plan)) {
    double longest = 0;
    for (const Visit& visit : visits) {
      used += source->seconds(visit.row);
      longest = std::max(longest, source->seconds(visit.row));
    }
    padded += longest * static_cast<double>(visits.size());
  }
  EXPECT_GT(used / padded, 0.9);
  EXPECT_LT(static_cast<double>(plan->size()), 1.15 * used / 120 + 60);  // and micro-batches are full
}

TEST(Plan, IsAPureFunctionOfSeedAndEpoch) {
  const auto source = lengths(random_lengths(500, 7));
  const auto a = plan_epoch(source, options(60), 1);
  EXPECT_EQ(all_of(*a), all_of(*plan_epoch(source, options(60), 1)));
  EXPECT_NE(all_of(*a), all_of(*plan_epoch(source, options(60), 2)));
  EXPECT_NE(all_of(*a), all_of(*plan_epoch(source, options(60, 4), 1)));
}

// What meets in a micro-batch must change from epoch to epoch even when the whole corpus is one cell.
TEST(Plan, CompanyChanges) {
  const auto source = lengths(std::vector<double>(64, 1.0));
  const auto first = [&](int64_t epoch) {
    for (const auto& visits : all_of(*plan_epoch(source, options(8), epoch))) {
      std::set<int64_t> rows;
      for (const Visit& visit : visits) rows.insert(visit.row);
      if (rows.contains(0)) return rows;
    }
    return std::set<int64_t>();
  };
  EXPECT_EQ(first(0).size(), 8u);
  EXPECT_NE(first(0), first(1));
}

// Long and short micro-batches come in no order.
TEST(Plan, MicroBatchesAreMixed) {
  const auto source = lengths(random_lengths(9000, 8));
  const auto plan = plan_epoch(source, options(60), 0);
  int64_t rising = 0;
  double before = 0;
  for (const auto& visits : all_of(*plan)) {
    const double seconds = source->seconds(visits[0].row);
    rising += seconds > before;
    before = seconds;
  }
  const auto half = static_cast<double>(plan->size()) / 2;
  EXPECT_NEAR(static_cast<double>(rising), half, 4 * std::sqrt(half / 6) + half * 0.02);
}

TEST(Plan, WithoutShuffleTheOrderIsTheManifests) {
  PlanOptions o = options(8);
  o.shuffle = false;
  const auto plan = plan_epoch(lengths({3, 1, 2, 2, 8, 1}), o, 5);
  EXPECT_EQ(rows_of(*plan), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(sizes_of(*plan), (std::vector<size_t>{2, 2, 1, 1}));
}

TEST(Plan, LongClips) {
  const auto source = lengths({3, 31, 2, 40, 30.005});
  for (const bool shuffle : {false, true}) {
    PlanOptions o = options(60);
    o.shuffle = shuffle;
    EXPECT_EQ(plan_epoch(source, o, 0)->visits(), 5);  // truncate
    o.long_audio = LongAudio::kDrop;
    const auto dropped = plan_epoch(source, o, 0);
    std::vector<int64_t> rows = rows_of(*dropped);
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(rows, (std::vector<int64_t>{0, 2, 4}));
    EXPECT_EQ(dropped->too_long(), 2);
    o.long_audio = LongAudio::kError;
    EXPECT_EQ(test::message_of([&] { plan_epoch(source, o, 0); }),
              "lengths.jsonl:2: clip 'clip1' has 31.00 s, more than data.max_seconds = 30 (2 such clips); set "
              "data.long_audio to truncate or drop, or raise data.max_seconds");
  }
}

TEST(Plan, AnEpochWithoutClipsIsRefused) {
  for (const bool shuffle : {false, true}) {
    PlanOptions o = options(60);
    o.shuffle = shuffle;
    o.long_audio = LongAudio::kDrop;
    EXPECT_EQ(test::message_of([&] { plan_epoch(lengths({31, 32}), o, 3); }),
              "lengths.jsonl: nothing is left of an epoch: 2 of 2 clips are longer than data.max_seconds = 30");
  }
}

TEST(Plan, AClipAboveTheBudgetIsRefused) {
  PlanOptions o = options(10);
  EXPECT_EQ(test::message_of([&] { plan_epoch(lengths({3, 12}), o, 0); }),
            "lengths.jsonl:2: clip 'clip1' takes 12.00 s, more than data.batch.seconds = 10; raise that or lower "
            "data.max_seconds");
  o.batch.quadratic_seconds = 20;
  EXPECT_EQ(
      test::message_of([&] { plan_epoch(lengths({3, 8}), o, 0); }),
      "lengths.jsonl:2: clip 'clip1' takes 8.00 s, which count as 11.20 (data.batch.quadratic_seconds = 20), more "
      "than data.batch.seconds = 10; raise that or lower data.max_seconds");
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

TEST(Plan, QuadraticTermsMakeLongRowsDearer) {
  BudgetConfig config;
  config.seconds = 120;
  config.quadratic_seconds = 10;
  const Budget budget(config);
  EXPECT_EQ(budget.rows_for({10, 0}), 6);  // 10 + 100 / 10
  EXPECT_EQ(budget.rows_for({1, 0}), 109);
  EXPECT_DOUBLE_EQ(budget.cost(3, {10, 0}), 0.5);
  const auto source = lengths(random_lengths(2000, 9));
  PlanOptions o;
  o.batch = config;
  for (const auto& visits : all_of(*plan_epoch(source, o, 0))) {
    double longest = 0;
    for (const Visit& visit : visits) longest = std::max(longest, source->seconds(visit.row));
    ASSERT_LE((longest + longest * longest / 10) * static_cast<double>(visits.size()), 120);
  }
}

TEST(Plan, TheWorstMicroBatchesAreKnown) {
  const auto source = lengths(random_lengths(3000, 10));
  for (const bool shuffle : {true, false}) {
    PlanOptions o = options(60);
    o.batch.quadratic_seconds = 30;
    o.shuffle = shuffle;
    const auto plan = plan_epoch(source, o, 4);
    const Budget budget(o.batch);
    double worst = 0, longest = 0;
    const auto cost = [&](int64_t index, double& row) {
      row = 0;
      const auto visits = plan->micro_batch(index);
      for (const Visit& visit : visits) row = std::max(row, source->seconds(visit.row));
      return budget.cost(std::ssize(visits), {row, 0});
    };
    double row = 0;
    for (int64_t m = 0; m < plan->size(); ++m) {
      worst = std::max(worst, cost(m, row));
      longest = std::max(longest, row);
    }
    const auto named = plan->worst();
    ASSERT_TRUE(named.size() == 1 || named.size() == 2);
    // By the upper bounds of cells, which are within 15 % in seconds and with the square twice that.
    EXPECT_GT(cost(named.front(), row), shuffle ? worst / 1.35 : worst * (1 - 1e-12));
    cost(named.back(), row);
    EXPECT_GT(row, shuffle ? longest / 1.15 : longest * (1 - 1e-12));
  }
}

// Rows whose text is 2 tokens and one for every 4 bytes, or three times as many for every 50th; 10 tokens a second.
class Texts final : public Source {
 public:
  explicit Texts(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  double seconds(int64_t index) const override { return 1 + static_cast<double>(index % 7); }
  std::string name() const override { return "texts"; }
  int64_t text_bytes(int64_t index) const override { return 10 + index % 300; }
  Row row(int64_t index) const override {
    Row row;
    row.key = std::to_string(index);
    row.seconds = seconds(index);
    row.line = index + 1;
    row.prompt = std::string(static_cast<size_t>(text_bytes(index)), 'x');
    return row;
  }
  static SampleLength length(const Row& row, double seconds) {
    return {seconds, static_cast<int64_t>(std::ceil(10 * seconds)), 2 + (std::ssize(row.prompt) + 3) / 4};
  }

 private:
  int64_t size_;
};

TEST(Plan, TokensAreKeptToToo) {
  const auto source = std::make_shared<Texts>(5000);
  for (const bool shuffle : {true, false}) {
    PlanOptions o;
    o.batch.tokens = 1000;
    o.batch.quadratic_tokens = 500;
    o.length = &Texts::length;
    o.shuffle = shuffle;
    const auto plan = plan_epoch(source, o, 1);
    std::vector<int64_t> rows = rows_of(*plan);
    std::sort(rows.begin(), rows.end());
    for (int64_t i = 0; i < source->size(); ++i) ASSERT_EQ(rows.at(static_cast<size_t>(i)), i);
    double used = 0, padded = 0;
    for (const auto& visits : all_of(*plan)) {
      double longest = 0;
      for (const Visit& visit : visits) {
        const auto length = Texts::length(source->row(visit.row), source->seconds(visit.row));
        const auto tokens = static_cast<double>(length.audio_tokens + length.text_tokens);
        longest = std::max(longest, tokens);
        used += tokens;
      }
      const auto count = static_cast<double>(visits.size());
      padded += longest * count;
      ASSERT_LE((longest + longest * longest / 500) * count, 1000);
    }
    if (shuffle) EXPECT_GT(used / padded, 0.85);
  }
}

TEST(Plan, ARowAboveTheTokensStandsAlone) {
  PlanOptions o;
  o.batch.tokens = 60;
  o.length = &Texts::length;
  for (const auto& visits : all_of(*plan_epoch(std::make_shared<Texts>(300), o, 0))) {
    for (const Visit& visit : visits) {
      const auto length = Texts::length(Texts(300).row(visit.row), 1 + static_cast<double>(visit.row % 7));
      if (length.audio_tokens + length.text_tokens > 60) ASSERT_EQ(visits.size(), 1u);
    }
  }
}

// Ten million rows of 0.3 to 30 s in shares of weights 1, 0.3 and 2.5.
class Millions final : public Source {
 public:
  int64_t size() const override { return 10'000'000; }
  double seconds(int64_t index) const override {
    return 0.3 + 29.7 * static_cast<double>((static_cast<uint64_t>(index) * 0x9e3779b97f4a7c15ULL) >> 40) * 0x1p-24;
  }
  Row row(int64_t) const override { return {}; }
  std::string name() const override { return "millions"; }
  std::vector<Share> shares() const override {
    return {{0, 8'000'000, 1, "a"}, {8'000'000, 9'900'000, 0.3, "b"}, {9'900'000, 10'000'000, 2.5, "c"}};
  }
};

TEST(Plan, TenMillionRows) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto source = std::make_shared<Millions>();
  PlanOptions o = options(240);
  o.phases = {{1, 0.3, 2.5}};
  auto start = Clock::now();
  const Planner planner(source, o);
  const double grouped = since(start);
  start = Clock::now();
  const auto plan = planner.plan(7);
  const double planned = since(start);
  EXPECT_NEAR(static_cast<double>(plan->visits()), 8e6 + 0.3 * 1.9e6 + 2.5e5, 2);

  start = Clock::now();
  constexpr uint64_t kSeeks = 1000;
  int64_t rows = 0;
  for (uint64_t i = 0; i < kSeeks; ++i)
    rows +=
        std::ssize(plan->micro_batch(static_cast<int64_t>(below(DrawKey(1), static_cast<uint64_t>(plan->size()), i))));
  const double seek = since(start) / kSeeks;

  // Each row of each share as often as its weight says: counted in a byte a row.
  start = Clock::now();
  std::vector<uint8_t> times(static_cast<size_t>(source->size()));
  for (int64_t m = 0; m < plan->size(); ++m)
    for (const Visit& visit : plan->micro_batch(m)) ++times[static_cast<size_t>(visit.row)];
  const double walked = since(start);
  const auto count = [&](int64_t begin, int64_t end, uint8_t often) {
    return std::count(times.begin() + begin, times.begin() + end, often);
  };
  EXPECT_EQ(count(0, 8'000'000, 1), 8'000'000);
  EXPECT_NEAR(static_cast<double>(count(8'000'000, 9'900'000, 1)), 570'000, 1);
  EXPECT_EQ(count(8'000'000, 9'900'000, 0) + count(8'000'000, 9'900'000, 1), 1'900'000);
  EXPECT_NEAR(static_cast<double>(count(9'900'000, 10'000'000, 3)), 50'000, 1);
  EXPECT_EQ(count(9'900'000, 10'000'000, 2) + count(9'900'000, 10'000'000, 3), 100'000);
  printf(
      "10 M rows: grouped in %.2f s, an epoch planned in %.6f s, a micro-batch of %.0f rows in %.1f us, all %lld in "
      "%.2f s\n",
      grouped, planned, static_cast<double>(rows) / kSeeks, seek * 1e6, static_cast<long long>(plan->size()), walked);
  EXPECT_LT(grouped, 10);  // far above what it takes, for a busy machine
  EXPECT_LT(planned, 0.1);
}

}  // namespace
}  // namespace usam::data
