// Phases of the curriculum, epochs that they cut short, and what is told of epochs.
#include <csignal>
#include <numeric>
#include <set>
#include <thread>

#include "tests/train/toy_run.h"

namespace usam {
namespace {

using test::kToyEpoch;
using test::toy_batch;
using test::toy_config;
using test::toy_parts;

// Phases of 3, 2 and more steps; in the second an epoch has 3 micro-batches.
TrainerParts in_phases(const std::string& run, test::ToyOptions options = {},
                       std::shared_ptr<dist::Communicator> ranks = dist::single_rank()) {
  TrainerParts parts = toy_parts(run, std::move(options), std::move(ranks));
  const auto size = [](const data::Cursor& at) { return at.phase == 1 ? 3 : kToyEpoch; };
  parts.train.micro_batches = size;
  parts.train.open = [size, rank = parts.ranks->rank(), world = parts.ranks->world()](data::Cursor from) {
    return std::make_unique<test::ToyStream>(size(from), from, rank, world);
  };
  parts.train.phase_ends = {3, 5};
  return parts;
}

std::vector<Json> epochs_of(const std::string& run) {
  std::vector<Json> epochs;
  for (const Json& line : test::lines(run + "/metrics.jsonl"))
    if (line.contains("epoch")) epochs.push_back(line.at("epoch"));
  return epochs;
}

// Two micro-batches a step: epoch 0 is cut after 6 of 7, epoch 1 takes 3 in the two steps of the second phase, the
// others are whole.
TEST(Curriculum, APhasesEndEndsItsEpoch) {
  const test::TemporaryFolder folder;
  const std::string run = folder.path();
  std::vector<data::Cursor> seen;
  test::ToyOptions options;
  options.on_forward = [&](const data::Batch& batch) {
    if (torch::GradMode::is_enabled()) seen.push_back(batch.cursor);
  };
  Trainer trainer(toy_config(10), in_phases(run, options));
  ASSERT_EQ(trainer.run(), Outcome::kFinished);
  std::vector<data::Cursor> expected;
  for (int64_t m = 0; m < 6; ++m) expected.push_back({0, m, 0});
  for (int64_t m = 0; m < 3; ++m) expected.push_back({1, m, 1});
  for (int64_t m = 0; m < 7; ++m) expected.push_back({2, m, 2});
  for (int64_t m = 0; m < 2; ++m) expected.push_back({3, m, 2});
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(trainer.state().cursor, (data::Cursor{3, 2, 2}));

  const auto epochs = epochs_of(run);
  ASSERT_EQ(epochs.size(), 3u);
  const std::vector<int64_t> sizes = {6, 3, 7}, of = {7, 3, 7};
  for (size_t i = 0; i < epochs.size(); ++i) {
    const auto epoch = static_cast<int64_t>(i);
    int64_t even = 0, odd = 0;
    for (int64_t m = 0; m < sizes[i]; ++m) (m % 2 == 0 ? even : odd) += toy_batch({epoch, m}).size();
    EXPECT_EQ(epochs[i], (Json{{"number", epoch},
                               {"phase", epoch},
                               {"micro_batches", sizes[i]},
                               {"of", of[i]},
                               {"samples", even + odd},
                               {"skipped", 0},
                               {"tasks", {{"toy", even + odd}}},
                               {"sources", {{"even", even}, {"odd", odd}}}}));
  }
}

TEST(Curriculum, EpochsThatPhasesCutCountAsEpochs) {
  const test::TemporaryFolder folder;
  TrainerConfig config = toy_config(1);
  config.max_steps.reset();
  config.epochs = 3;
  Trainer trainer(config, in_phases(folder.path()));
  EXPECT_EQ(trainer.total_steps(), 3 + 2 + 4);
  trainer.run();
  EXPECT_EQ(trainer.state().cursor, (data::Cursor{3, 0, 2}));
}

TEST(Curriculum, ResumesInAnyPhaseBitForBit) {
  const test::TemporaryFolder folder;
  const std::string whole = folder.path() / "whole", cut = folder.path() / "cut";
  ASSERT_EQ(Trainer(toy_config(10), in_phases(whole)).run(), Outcome::kFinished);
  const auto go_on = [&](const data::Cursor& where) {
    test::ToyOptions options;
    options.on_forward = [&](const data::Batch& batch) {
      if (torch::GradMode::is_enabled() && batch.cursor == where) raise(SIGTERM);
    };
    TrainerParts parts = in_phases(cut, options);
    parts.checkpoint = choose_resume(cut, "auto");
    return Trainer(toy_config(10), std::move(parts)).run();
  };
  for (const data::Cursor& where : {data::Cursor{0, 2, 0}, {0, 5, 0}, {1, 0, 1}, {2, 3, 2}})
    ASSERT_EQ(go_on(where), Outcome::kStopped);
  ASSERT_EQ(go_on({-1, 0, 0}), Outcome::kFinished);
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"})
    EXPECT_EQ(test::content(whole + "/last/" + name), test::content(cut + "/last/" + name)) << name;
  EXPECT_EQ(test::lines(whole + "/metrics.jsonl"), test::lines(cut + "/metrics.jsonl"));
}

TEST(Curriculum, RanksSeeTogetherWhatOneSees) {
  const test::TemporaryFolder folder;
  const std::string one = folder.path() / "one", two = folder.path() / "two";
  ASSERT_EQ(Trainer(toy_config(10), in_phases(one)).run(), Outcome::kFinished);
  const auto ranks = dist::thread_ranks(2);
  TrainerConfig config = toy_config(10);
  config.accumulate = 1;
  std::vector<TrainerParts> parts;
  for (const auto& rank : ranks) parts.push_back(in_phases(two, {}, rank));
  std::vector<std::thread> threads;
  for (const TrainerParts& mine : parts)
    threads.emplace_back([&] { EXPECT_EQ(Trainer(config, mine).run(), Outcome::kFinished); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(epochs_of(one), epochs_of(two));
}

TEST(Curriculum, AnEpochIsTold) {
  EpochRecord record{3, 0, 120, 120, 2, {{"source/a.jsonl", 3000}, {"source/b.jsonl", 2000}, {"task/ASR", 5000}}};
  EXPECT_EQ(text_of(record),
            "Epoch 3 is over after 120 micro-batches: 5000 samples, 2 skipped; by task: ASR 5000; by source: a.jsonl "
            "3000, b.jsonl 2000.");
  record.micro_batches = 31;
  record.seen.clear();
  EXPECT_EQ(text_of(record),
            "Epoch 3 ends with phase 1 of the curriculum, after 31 of 120 micro-batches: 0 samples, 2 skipped.");
}

// An epoch is told also where its last step was dropped.
TEST(Curriculum, AnEpochThatEndsWithABadStepIsTold) {
  const test::TemporaryFolder folder;
  test::ToyOptions options;
  options.on_forward = [](const data::Batch& batch) {
    if (batch.cursor == data::Cursor{0, 6}) batch.field("x").data.fill_(std::numeric_limits<float>::quiet_NaN());
  };
  TrainerConfig config = toy_config(6);
  config.log_every = 100;
  TrainerParts parts = toy_parts(folder.path(), options);
  parts.valid.reset();
  Trainer(config, std::move(parts)).run();
  const auto lines = test::lines(folder.path() / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["step"], 4);
  EXPECT_FALSE(lines[0].contains("loss"));
  EXPECT_EQ(lines[0]["epoch"]["micro_batches"], 7);
}

}  // namespace
}  // namespace usam
