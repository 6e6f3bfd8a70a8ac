// N ranks with M micro-batches each make the same steps as one rank with N M of them.
#include <csignal>
#include <thread>

#include "tests/train/toy_run.h"

namespace usam {
namespace {

using test::toy_config;
using test::toy_parts;

std::vector<TrainerParts> run_on(int64_t world, int64_t accumulate, const std::string& run,
                                 const std::string& from = "") {
  const auto ranks = dist::thread_ranks(world);
  TrainerConfig config = toy_config(8);
  config.accumulate = accumulate;
  config.keep_last = 0;
  std::vector<TrainerParts> parts;
  for (const auto& rank : ranks) {
    parts.push_back(toy_parts(run, {}, rank));
    parts.back().checkpoint = from;
  }
  std::vector<std::thread> threads;
  for (const TrainerParts& mine : parts)
    threads.emplace_back([&config, &mine] {
      Trainer trainer(config, mine);
      EXPECT_EQ(trainer.run(), Outcome::kFinished);
    });
  for (std::thread& thread : threads) thread.join();
  return parts;
}

void expect_close(const std::vector<TrainerParts>& runs, Recipe& reference) {
  const io::NamedTensors expected = test::trained(reference);
  for (const TrainerParts& mine : runs) {
    const io::NamedTensors got = test::trained(*mine.recipe);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_LT((got[i].second - expected[i].second).abs().max().item<double>(), 2e-6) << expected[i].first;
  }
}

void expect_close_lines(const std::string& a, const std::string& b) {
  const std::vector<Json> ours = test::lines(a), theirs = test::lines(b);
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i)
    for (const auto& [key, value] : theirs[i].items())
      if (value.is_number()) EXPECT_NEAR(ours[i][key].get<double>(), value.get<double>(), 1e-4) << i << key;
}

TEST(Ranks, SplitTheSameSteps) {
  const test::TemporaryFolder folder;
  const std::string one = folder.path() / "one", two = folder.path() / "two", four = folder.path() / "four";
  const auto reference = run_on(1, 4, one);  // 7 micro-batches an epoch: steps of 4 and 3
  expect_close(run_on(2, 2, two), *reference[0].recipe);
  expect_close(run_on(4, 1, four), *reference[0].recipe);
  expect_close_lines(two + "/metrics.jsonl", one + "/metrics.jsonl");
  expect_close_lines(four + "/metrics.jsonl", one + "/metrics.jsonl");
}

TEST(Ranks, AnotherNumberOfRanksGoesOnWithTheSameSteps) {
  const test::TemporaryFolder folder;
  const std::string one = folder.path() / "one", two = folder.path() / "two";
  const auto reference = run_on(1, 4, one);
  // accumulate says 1, the checkpoint's steps have 4 micro-batches: 2 for each rank.
  expect_close(run_on(2, 1, two, one + "/checkpoint-4"), *reference[0].recipe);
}

// Whether ranks ask together (fsdp: their next pass is a joint one) or each for itself.
TEST(Ranks, LeaveAnEvaluationTogether) {
  for (const auto strategy : {dist::Strategy::kDdp, dist::Strategy::kFsdp}) {
    const test::TemporaryFolder folder;
    const auto ranks = dist::thread_ranks(2);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 2; ++i)
      threads.emplace_back([&, i] {
        TrainerParts parts = toy_parts(folder.path(), {}, ranks[i]);
        parts.strategy = strategy;
        parts.stand_in = test::toy_batch({0, 0});
        parts.task_figures = [i](const std::function<bool()>& stops) -> TaskFigures {
          for (int64_t asked = 0; !stops(); ++asked)
            if (i == 1 && asked == 2) raise(SIGTERM);
          return std::nullopt;
        };
        TrainerConfig config = toy_config(4);
        config.accumulate = 1;
        EXPECT_EQ(Trainer(config, parts).run(), Outcome::kStopped);
      });
    for (std::thread& thread : threads) thread.join();
    const RunState state = read_run_state(folder.path() / "last");
    EXPECT_EQ(state.step, 3);
    EXPECT_TRUE(state.owes_evaluation);
  }
}

TEST(Ranks, AllNameTheSamplesOfABadStep) {
  const test::TemporaryFolder folder;
  const auto ranks = dist::thread_ranks(2);
  std::vector<std::string> messages(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      test::ToyOptions options;
      options.on_forward = [](const data::Batch& batch) {
        if (batch.cursor.micro_batch == 1) batch.field("x").data.fill_(std::numeric_limits<float>::quiet_NaN());
      };
      TrainerConfig config = toy_config(4);
      config.max_bad_steps = 1;
      Trainer trainer(config, toy_parts(folder.path(), options, ranks[i]));
      messages[i] = test::message_of([&] { trainer.run(); });
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(messages[0], messages[1]);
  for (const std::string& key : test::toy_batch({0, 1}).keys) EXPECT_NE(messages[0].find(key), std::string::npos);
}

}  // namespace
}  // namespace usam
