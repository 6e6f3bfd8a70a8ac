#include "data/sources/weighted.h"

#include "data/plan.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::Lengths;
using test_support::line;

std::shared_ptr<const Source> lengths(int64_t count, double first) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < count; ++i) seconds.push_back(first + static_cast<double>(i));
  return std::make_shared<Lengths>(seconds);
}

TEST(Weighted, RowsFollowOneAnother) {
  const WeightedSource source({{lengths(2, 1), 1}, {lengths(3, 10), 1}});
  EXPECT_EQ(source.size(), 5);
  EXPECT_EQ(source.seconds(1), 2);
  EXPECT_EQ(source.seconds(2), 10);
  EXPECT_EQ(source.row(4).key, "clip2");
  EXPECT_EQ(source.place(4), "lengths.jsonl:3");
  EXPECT_EQ(source.visits(0, 0).size(), 5u);
}

TEST(Weighted, AWeightIsTheMeanNumberOfVisits) {
  const WeightedSource source({{lengths(10, 1), 2.25}, {lengths(4, 1), 0.5}});
  std::vector<double> counts(14);
  const int epochs = 400;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto visits = source.visits(9, epoch);
    ASSERT_GE(visits.size(), 20u + 2 + 2);
    ASSERT_LE(visits.size(), 20u + 3 + 2);
    for (const Visit& visit : visits) counts[static_cast<size_t>(visit.row)] += 1.0 / epochs;
  }
  for (size_t row = 0; row < 10; ++row) EXPECT_NEAR(counts[row], 2.25, 0.08) << row;
  for (size_t row = 10; row < 14; ++row) EXPECT_NEAR(counts[row], 0.5, 0.1) << row;
  EXPECT_EQ(source.visits(9, 3), source.visits(9, 3));
  EXPECT_NE(source.visits(9, 3), source.visits(9, 4));
  // Copies of one row are told apart, so that they can be augmented differently.
  const auto visits = source.visits(9, 0);
  EXPECT_EQ(visits[0], (Visit{0, 0}));
  EXPECT_EQ(visits[1], (Visit{0, 1}));
}

TEST(Weighted, EvaluationSeesEachRowOnce) {
  const WeightedSource source({{lengths(10, 1), 2.25}});
  PlanOptions options;
  options.batch.rows = 4;
  EXPECT_GT(plan_epoch(source, options, 0).visits.size(), 20u);
  options.is_weighted = false;
  EXPECT_EQ(plan_epoch(source, options, 0).visits.size(), 10u);
}

TEST(Weighted, OpensManifestsAndReportsAllProblemsAtOnce) {
  const test::TemporaryFolder folder;
  const std::string a = folder.write("a.jsonl", line("x", "x.wav", 1) + line("y", "y.wav", 1));
  const std::string b = folder.write("b.jsonl", line("y", "y.wav", 1) + "{}\n");
  EXPECT_EQ(test::message_of([&] { open_manifests({{{a}, 1}, {{b}, 1}}, {"SEC"}); }),
            a + ":1: unknown task 'ASR'; the recipe has prompts for: SEC\n" + a +
                ":2: unknown task 'ASR'; the recipe has prompts for: SEC\n" + b +
                ":1: unknown task 'ASR'; the recipe has prompts for: SEC\n" + b + ":2: 'key' is missing");
  EXPECT_EQ(test::message_of([&] { open_manifests({{{a}, 1}, {{b}, 1}}); }),
            b + ":1: key 'y' stands in " + a + ":2 already\n" + b + ":2: 'key' is missing");
}

}  // namespace
}  // namespace usam::data
