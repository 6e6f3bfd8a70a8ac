// trainer.warm_with_longest.
#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>

#include <thread>

#include "tests/train/toy_run.h"

namespace usam {
namespace {

using test::toy_batch;
using test::toy_config;
using test::toy_parts;

TrainerParts with_worst(const std::string& run, test::ToyOptions options = {},
                        std::shared_ptr<dist::Communicator> ranks = dist::single_rank()) {
  TrainerParts parts = toy_parts(run, std::move(options), std::move(ranks));
  parts.train.worst = [](const data::Cursor& at) {
    return std::vector{toy_batch({at.epoch, 3}), toy_batch({at.epoch, 5})};
  };
  return parts;
}

TrainerConfig warm_config(int64_t steps) {
  TrainerConfig config = toy_config(steps);
  config.warm_with_longest = true;
  return config;
}

void expect_equal_runs(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"})
    EXPECT_EQ(test::content(a / "last" / name), test::content(b / "last" / name)) << name;
  EXPECT_EQ(test::lines(a / "metrics.jsonl"), test::lines(b / "metrics.jsonl"));
}

TEST(Warm, ChangesNoBitOfTraining) {
  const test::TemporaryFolder folder;
  const auto cold = folder.path() / "cold", warm = folder.path() / "warm";
  test::ToyOptions options;
  options.dropout = 0.4;
  ASSERT_EQ(Trainer(toy_config(6), with_worst(cold, options)).run(), Outcome::kFinished);
  std::vector<data::Cursor> seen;
  options.on_forward = [&](const data::Batch& batch) { seen.push_back(batch.cursor); };
  testing::internal::CaptureStderr();
  ASSERT_EQ(Trainer(warm_config(6), with_worst(warm, options)).run(), Outcome::kFinished);
  const std::string told = testing::internal::GetCapturedStderr();
  // Each twice: a step has two micro-batches, and the second finds the gradients of the first.
  ASSERT_GE(seen.size(), 5u);
  for (const auto& [i, micro_batch] : {std::pair{0, 3}, {1, 3}, {2, 5}, {3, 5}, {4, 0}})
    EXPECT_EQ(seen[static_cast<size_t>(i)], (data::Cursor{0, micro_batch})) << i;
  EXPECT_NE(told.find("among the largest of epoch 0: peak memory "), std::string::npos) << told;
  expect_equal_runs(cold, warm);  // the toy's statistics and dropout among it
}

// Without dropout: ranks that are threads draw it from one generator.
TEST(Warm, ChangesNoBitOnRanks) {
  const test::TemporaryFolder folder;
  for (const bool is_warm : {false, true}) {
    const auto ranks = dist::thread_ranks(2);
    std::vector<TrainerParts> parts;
    for (const auto& rank : ranks) parts.push_back(with_worst(folder.path() / (is_warm ? "warm" : "cold"), {}, rank));
    std::vector<std::thread> threads;
    for (const TrainerParts& mine : parts)
      threads.emplace_back(
          [&] { EXPECT_EQ(Trainer(is_warm ? warm_config(5) : toy_config(5), mine).run(), Outcome::kFinished); });
    for (auto& thread : threads) thread.join();
  }
  expect_equal_runs(folder.path() / "cold", folder.path() / "warm");
}

TEST(Warm, SaysWhatDoesNotFit) {
  const test::TemporaryFolder folder;
  test::ToyOptions options;
  options.on_forward = [](const data::Batch&) {
    throw c10::OutOfMemoryError({__func__, __FILE__, static_cast<uint32_t>(__LINE__)}, "80 GiB are too many");
  };
  std::string keys;
  const auto all = toy_batch({0, 3}).keys;
  for (size_t i = 0; i < all.size(); ++i) keys += (i == 0 ? "" : i + 1 == all.size() ? " and " : ", ") + all[i];
  const std::string message =
      test::message_of([&] { Trainer(warm_config(6), with_worst(folder.path(), options)).run(); });
  EXPECT_TRUE(message.starts_with(fmt::format(
      "A micro-batch of epoch 0 with {} samples and {:.1f} s of audio does not fit into the "
      "memory of cpu. Lower data.batch, or data.max_seconds where few clips are that long; where long rows take more "
      "than their share, give data.batch a quadratic term. Its samples: {}. The error was: 80 GiB are too many",
      all.size(), static_cast<double>(all.size()), keys)))
      << message;
}

// A trial of a step is a step: it updates, and what it says it held is what there is.
TEST(Warm, AProbedStepSaysWhatItTook) {
  const test::TemporaryFolder folder;
  TrainerParts parts = toy_parts(folder.path());
  const auto recipe = parts.recipe;
  Trainer trainer(toy_config(6), std::move(parts));
  EXPECT_EQ(trainer.held().weights, (4 * 3 + 3 + 2 * 2) * 4 + 8);
  const auto before = recipe->module().parameters()[0].clone();
  const Trial trial = trainer.probe(toy_batch({0, 3}), /*as_last=*/true);
  EXPECT_FALSE(torch::equal(before, recipe->module().parameters()[0]));
  EXPECT_GT(trial.forward, 0);
  EXPECT_GT(trial.backward, 0);
  EXPECT_GT(trial.update, 0);
  EXPECT_EQ(trainer.held().gradients, (4 * 3 + 3 + 2 * 2) * 4);
  EXPECT_GE(trainer.held().optimizer, 2 * (4 * 3 + 3 + 2 * 2) * 4);  // averages, squares and a counter a group
  EXPECT_LE(trainer.held().optimizer, 2 * (4 * 3 + 3 + 2 * 2) * 4 + 8);
  EXPECT_GT(trial.bytes, trainer.held().gradients);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace usam
