#include "data/sources/weighted.h"

#include "data/blend.h"
#include "data/plan.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::Lengths;
using test_support::plan_epoch;

std::shared_ptr<const Source> lengths(int64_t count, double first, double step = 1) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < count; ++i) seconds.push_back(first + step * static_cast<double>(i));
  return std::make_shared<Lengths>(seconds);
}

std::vector<double> weights_of(const Source& source) {
  return phase_weights(source.shares(), {}, {}).at(0);
}

std::vector<Visit> visits_of(const EpochPlan& plan) {
  std::vector<Visit> all;
  for (int64_t m = 0; m < plan.size(); ++m)
    for (const Visit& visit : plan.micro_batch(m)) all.push_back(visit);
  return all;
}

TEST(Weighted, RowsFollowOneAnother) {
  const WeightedSource source({{lengths(2, 1), 1}, {lengths(3, 10), 0.5}});
  EXPECT_EQ(source.size(), 5);
  EXPECT_EQ(source.seconds(1), 2);
  EXPECT_EQ(source.seconds(2), 10);
  EXPECT_EQ(source.row(4).key, "clip2");
  EXPECT_EQ(source.place(4), "lengths.jsonl:3");
  const auto shares = source.shares();
  ASSERT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares[1].begin, 2);
  EXPECT_EQ(shares[1].end, 5);
  EXPECT_EQ(shares[1].weight, 0.5);
}

TEST(Weighted, AWeightIsTheMeanNumberOfVisits) {
  const auto source = std::make_shared<WeightedSource>(
      std::vector<WeightedSource::Part>{{lengths(10, 1), 2.25}, {lengths(4, 1), 0.5}, {lengths(7, 2), 0.3}});
  for (const bool shuffle : {true, false}) {
    PlanOptions options;
    options.batch.rows = 4;
    options.shuffle = shuffle;
    options.seed = 9;
    options.phases = {weights_of(*source)};
    const Planner planner(source, options);
    std::vector<double> counts(21), thirds(3);
    const int epochs = 1000;
    for (int epoch = 0; epoch < epochs; ++epoch) {
      const auto visits = visits_of(*planner.plan(epoch));
      std::set<std::pair<int64_t, int64_t>> known;
      int64_t of_third = 0;
      for (const Visit& visit : visits) {
        EXPECT_TRUE(known.emplace(visit.row, visit.copy).second);  // copies of one row are told apart
        EXPECT_LT(visit.copy, visit.row < 10 ? 3 : 1);
        counts[static_cast<size_t>(visit.row)] += 1.0 / epochs;
        of_third += visit.row >= 14;
      }
      ASSERT_GE(std::ssize(visits) - of_third, 20 + 2 + 2);
      ASSERT_LE(std::ssize(visits) - of_third, 20 + 3 + 2);
      ASSERT_TRUE(of_third == 2 || of_third == 3);  // 2.1
    }
    for (size_t row = 0; row < 10; ++row) EXPECT_NEAR(counts[row], 2.25, 0.06) << row;
    for (size_t row = 10; row < 14; ++row) EXPECT_NEAR(counts[row], 0.5, 0.07) << row;
    for (size_t row = 14; row < 21; ++row) EXPECT_NEAR(counts[row], 0.3, 0.06) << row;
    EXPECT_EQ(visits_of(*planner.plan(3)), visits_of(*planner.plan(3)));
    EXPECT_NE(visits_of(*planner.plan(3)), visits_of(*planner.plan(4)));
  }
}

// Rows of all shares meet in micro-batches.
TEST(Weighted, SharesAreMixed) {
  const auto source = std::make_shared<WeightedSource>(
      std::vector<WeightedSource::Part>{{lengths(600, 1, 0), 1}, {lengths(200, 1, 0), 3}});
  PlanOptions options;
  options.batch.rows = 50;
  options.phases = {weights_of(*source)};
  const auto plan = plan_epoch(source, options, 0);
  ASSERT_EQ(plan->size(), 24);
  for (int64_t m = 0; m < plan->size(); ++m) {
    const auto visits = plan->micro_batch(m);
    EXPECT_NEAR(std::ranges::count_if(visits, [](const Visit& v) { return v.row < 600; }), 25, 14);
  }
}

TEST(Weighted, EvaluationSeesEachRowOnce) {
  const auto source = std::make_shared<WeightedSource>(std::vector<WeightedSource::Part>{{lengths(10, 1), 2.25}});
  PlanOptions options;
  options.batch.rows = 4;
  EXPECT_EQ(plan_epoch(source, options, 0)->visits(), 10);
  options.phases = {weights_of(*source)};
  EXPECT_GT(plan_epoch(source, options, 0)->visits(), 20);
}

TEST(Blend, ATemperatureLevelsSizes) {
  const std::vector<Share> shares = {{0, 900, 1, "a"}, {900, 1000, 1, "b"}};
  const auto weights = [&](double temperature) { return phase_weights(shares, {temperature}, {}).at(0); };
  EXPECT_EQ(weights(1), (std::vector<double>{1, 1}));
  const auto two = weights(2);  // 30 : 10
  EXPECT_DOUBLE_EQ(two[0] * 900, 750);
  EXPECT_DOUBLE_EQ(two[1] * 100, 250);
  const auto many = weights(1000);
  EXPECT_NEAR(many[0] * 900, 500, 1);
  EXPECT_NEAR(many[1] * 100, 500, 1);
}

TEST(Blend, PhasesHaveWeightsOfTheirOwn) {
  const auto source =
      std::make_shared<WeightedSource>(std::vector<WeightedSource::Part>{{lengths(10, 1), 1}, {lengths(6, 1), 1}});
  PlanOptions options;
  options.batch.rows = 4;
  options.phases = phase_weights(source->shares(), {}, {{5, {1, 0}}, {{}, {0.5, 2}}});
  const Planner planner(source, options);
  EXPECT_EQ(planner.plan(0, 0)->visits(), 10);
  for (const Visit& visit : visits_of(*planner.plan(0, 0))) EXPECT_LT(visit.row, 10);
  EXPECT_EQ(planner.plan(1, 1)->visits(), 5 + 12);
  EXPECT_EQ(phase_ends({{5, {1, 0}}, {{}, {0.5, 2}}}), std::vector<int64_t>{5});
}

TEST(Blend, APhaseWithoutRowsIsRefused) {
  const auto source =
      std::make_shared<WeightedSource>(std::vector<WeightedSource::Part>{{lengths(10, 1), 1}, {lengths(3, 40), 1}});
  PlanOptions options;
  options.batch.rows = 4;
  options.long_audio = LongAudio::kDrop;
  options.phases = {{1, 1}, {0, 1}};
  EXPECT_EQ(test::message_of([&] { Planner(source, options); }),
            "lengths.jsonl, lengths.jsonl: nothing is left of phase 2 of data.curriculum: 3 of 3 clips are longer than "
            "data.max_seconds = 30");
  options.phases = {{0.05, 1}};
  EXPECT_EQ(test::message_of([&] { Planner(source, options); }),
            "lengths.jsonl, lengths.jsonl: the weights leave an epoch without a row, or with one by chance only: raise "
            "them");
  options.phases = {{0.1, 1}};
  EXPECT_EQ(test::message_of([&] { Planner(source, options); }), "");
}

TEST(Blend, CurriculaThatMakeNoSenseAreRefused) {
  EXPECT_EQ(curriculum_problem({{5, {1, 0}}, {{}, {1, 1}}}, 2), "");
  EXPECT_EQ(curriculum_problem({{5, {1}}, {{}, {1, 1}}}, 2),
            "phase 1 of 'curriculum' has 1 weights for 2 manifests: give one for each of 'train'");
  EXPECT_EQ(curriculum_problem({{5, {0, 0}}, {{}, {1, 1}}}, 2),
            "phase 1 of 'curriculum' has no weight above 0: nothing would be seen in it");
  EXPECT_EQ(curriculum_problem({{{}, {1, 0}}, {{}, {1, 1}}}, 2),
            "phase 1 of 'curriculum' needs 'until_step': another phase follows");
  EXPECT_EQ(curriculum_problem({{5, {1, 0}}, {9, {1, 1}}}, 2),
            "phase 2 of 'curriculum' is the last: it has no 'until_step'");
  EXPECT_EQ(curriculum_problem({{5, {1, 0}}, {5, {1, 1}}, {{}, {1, 1}}}, 2),
            "phase 2 of 'curriculum' ends with step 5, not after the one before it");
}

}  // namespace
}  // namespace usam::data
