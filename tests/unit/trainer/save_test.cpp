// What becomes of a run when its checkpoints can be written, and when they cannot.
#include <sys/resource.h>

#include <csignal>

#include "tests/thread_ranks.h"
#include "tests/train/toy_run.h"
#include "trainer/guard.h"

namespace usam {
namespace {

using test::toy_config;
using test::toy_parts;

constexpr int64_t kSavedSteps = 10;

// A file stands where the checkpoint of `step` is made. Put there in the step before, for a run tidies up at its start.
test::ToyOptions in_the_way(const std::string& run, int64_t step) {
  test::ToyOptions options;
  options.on_forward = [=](const data::Batch& batch) {
    const int64_t first = 2 * ((step - 1) % 4);  // four steps an epoch, of two micro-batches
    if (torch::GradMode::is_enabled() && batch.cursor == data::Cursor{(step - 1) / 4, first})
      std::ofstream(partial_checkpoint(run, step)) << "x";
  };
  return options;
}

class Saves : public ::testing::Test {
 protected:
  std::string run() const { return folder_.path() / "run"; }
  std::string problem(int64_t step, int64_t stays) const {
    return fmt::format(
        "Checkpoint {} could not be written: filesystem error: cannot create directories: Not a directory [{}]. "
        "{}/checkpoint-{} stays the newest one",
        step, partial_checkpoint(run(), step), run(), stays);
  }
  std::vector<int64_t> steps() const {
    std::vector<int64_t> all;
    for (const FoundCheckpoint& found : list_checkpoints(run())) all.push_back(found.step);
    return all;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Saves, AFailureCostsOneCheckpoint) {
  testing::internal::CaptureStderr();
  const Outcome outcome = Trainer(toy_config(kSavedSteps), toy_parts(run(), in_the_way(run(), 4))).run();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(outcome, Outcome::kFinished);
  EXPECT_NE(log.find(problem(4, 3) + "; training goes on.\n"), std::string::npos) << log;
  EXPECT_EQ(steps(), (std::vector<int64_t>{2, 3, 6, 8, 9, 10}));
  EXPECT_EQ(test::lines(run() + "/metrics.jsonl").size(), 10u + 4u);
  EXPECT_FALSE(std::filesystem::exists(partial_checkpoint(run(), 4)));
}

TEST_F(Saves, WhatNoCheckpointHoldsIsNotTheBest) {
  TrainerConfig config = toy_config(kSavedSteps);
  config.best = {"score", Better::kHigher};
  TrainerParts parts = toy_parts(run(), in_the_way(run(), 3));
  double score = 6;  // falls from evaluation to evaluation
  parts.task_figures = [&](auto&&) { return std::map<std::string, double>{{"score", --score}}; };
  Trainer trainer(config, parts);
  trainer.run();
  EXPECT_EQ(trainer.state().best, (Best{"score", 4, 6}));  // not that of step 3
  EXPECT_EQ(std::filesystem::read_symlink(run() + "/best"), "checkpoint-6");
}

TEST_F(Saves, AFigureThatIsNotDefinedIsNotTheBest) {
  TrainerConfig config = toy_config(kSavedSteps);
  config.best = {"score", Better::kHigher};
  TrainerParts parts = toy_parts(run());
  int evaluations = 0;
  parts.task_figures = [&](auto&&) { return std::map<std::string, double>{{"score", ++evaluations == 2 ? 0.5 : NAN}}; };
  testing::internal::CaptureStderr();
  Trainer trainer(config, parts);
  trainer.run();
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(trainer.state().best, (Best{"score", 0.5, 6}));
  EXPECT_NE(log.find("score is nan on this validation set, so step 3 cannot be the best."), std::string::npos) << log;
}

TEST_F(Saves, AFailureOfTheLastOneEndsEveryRankAlike) {
  std::vector<std::string> messages(2);
  test::on_threads(2, [&](dist::Communicator& rank) {
    TrainerConfig config = toy_config(kSavedSteps);
    config.accumulate = 1;
    const std::shared_ptr<dist::Communicator> ranks(&rank, [](auto*) {});
    Trainer trainer(config, toy_parts(run(), in_the_way(run(), kSavedSteps), ranks));
    try {
      trainer.run();
    } catch (const TrainingFailed& e) {
      messages[static_cast<size_t>(rank.rank())] = e.what();
    }
  });
  std::string expected = problem(10, 9) + ".";
  expected.insert(expected.find("filesystem"), "rank 0: ");
  EXPECT_EQ(messages, (std::vector<std::string>{expected, expected}));
  EXPECT_EQ(steps().back(), 9);
  // Started again, the run gets to its end.
  TrainerParts again = toy_parts(run());
  again.checkpoint = choose_resume(run(), "auto");
  EXPECT_EQ(Trainer(toy_config(kSavedSteps), again).run(), Outcome::kFinished);
  EXPECT_EQ(steps().back(), 10);
}

TEST_F(Saves, ARunThatFailsKeepsTheCheckpointInFlight) {
  test::ToyOptions options;
  options.on_forward = [](const data::Batch& batch) {
    if (batch.cursor == data::Cursor{1, 1}) throw std::runtime_error("power cut");  // in step 5
  };
  EXPECT_THROW(Trainer(toy_config(kSavedSteps), toy_parts(run(), options)).run(), std::runtime_error);
  EXPECT_EQ(steps().back(), 4);
  EXPECT_TRUE(checkpoint_problems(run() + "/last").empty());
}

TEST_F(Saves, InTheForegroundAreTheSame) {
  TrainerConfig config = toy_config(kSavedSteps);
  Trainer(config, toy_parts(run())).run();
  config.save_in_background = false;
  const std::string other = folder_.path() / "other";
  Trainer(config, toy_parts(other)).run();
  for (const int64_t step : steps())
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"}) {
      const std::string file = fmt::format("/checkpoint-{}/{}", step, name);
      EXPECT_EQ(test::content(run() + file), test::content(other + file)) << file;
    }
}

TEST_F(Saves, MaxTimeEndsARunThatCanGoOn) {
  TrainerConfig config = toy_config(kSavedSteps);
  config.max_time = "0.001s";  // is over
  testing::internal::CaptureStderr();
  EXPECT_EQ(Trainer(config, toy_parts(run())).run(), Outcome::kStopped);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("The time is over (trainer.max_time: 0.001s) at step 1: saving and leaving.\n"), std::string::npos)
      << log;
  EXPECT_EQ(steps(), std::vector<int64_t>{1});
  config.max_time = "1d";
  TrainerParts rest = toy_parts(run());
  rest.checkpoint = choose_resume(run(), "auto");
  EXPECT_EQ(Trainer(config, rest).run(), Outcome::kFinished);
}

// A limit on file sizes stands in for a full disk: the same failing write.
TEST_F(Saves, AFullDiskHoldsLinesBack) {
  std::filesystem::create_directories(run());
  Recorder recorder(run(), RunState{});
  StepRecord record;
  const std::string metrics = run() + "/metrics.jsonl";
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{16, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  for (record.step = 1; record.step <= 3; ++record.step) recorder.step(record);
  const std::string problem = recorder.flush();
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(problem, "Cannot write '" + metrics + "': File too large.");
  EXPECT_EQ(std::filesystem::file_size(metrics), 16u);
  recorder.step(record);
  EXPECT_EQ(recorder.flush(), "");
  const std::vector<Json> lines = test::lines(metrics);
  ASSERT_EQ(lines.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(lines[i]["step"], i + 1);
}

}  // namespace
}  // namespace usam
