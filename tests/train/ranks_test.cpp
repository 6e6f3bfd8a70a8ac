// usam-train as several processes over Gloo: the same run as one process with as many micro-batches in a step.
#include <algorithm>
#include <chrono>

#include "tests/train/train_ranks.h"

namespace usam::test {
namespace {

TEST_F(TrainRanks, TwoAndFourAreTheSameRunAsOneWithAccumulation) {
  const auto one = run("env OMP_NUM_THREADS=1", command("one", "trainer.accumulate=4"));
  ASSERT_EQ(one.code, 0) << one.errors;
  expect_done(run_ranks(2, free_port(), command("two", "trainer.accumulate=2")));
  expect_same_run("two", "one");
  expect_done(run_ranks(4, free_port(), command("four", "trainer.accumulate=1")));
  expect_same_run("four", "one");
}

TEST_F(TrainRanks, AnotherNumberOfRanksContinues) {
  const auto whole = run("env OMP_NUM_THREADS=1", command("whole", "trainer.accumulate=4"));
  ASSERT_EQ(whole.code, 0) << whole.errors;
  expect_done(run_ranks(2, free_port(), command("cut", "trainer.accumulate=2 trainer.max_steps=6")));
  std::filesystem::remove_all(path("cut/checkpoint-6"));
  const auto rest = run("env OMP_NUM_THREADS=1", command("cut", "trainer.accumulate=2"));
  ASSERT_EQ(rest.code, 0) << rest.errors;
  expect_same_run("cut", "whole");
}

TEST_F(TrainRanks, StartedDifferentlyAreRefused) {
  // Each rank's shell gives another seed.
  const auto ranks = run_ranks(2, free_port(), "sh -c 'exec " + command("run", "seed=$RANK") + "'");
  for (const auto& rank : ranks) {
    EXPECT_EQ(rank.status, 2);
    EXPECT_NE(rank.errors.find("The ranks were not started alike: rank 1 has another config than rank 0. Start all "
                               "with the same command and the same files."),
              std::string::npos)
        << rank.errors;
  }
  EXPECT_FALSE(std::filesystem::exists(path("run/metrics.jsonl")));
}

// Starts three ranks on a long run, and does something to one of them when all are in the middle of it.
class LostRank : public TrainRanks {
 protected:
  std::vector<EndedRank> lose(int rank, int signal) const {
    Ranks ranks(3, free_port(), command("run", "trainer.max_steps=1000000 trainer.log_every=1 parallel.patience=2"));
    const auto metrics = path("run/metrics.jsonl");
    const auto lines = [&metrics] { return std::ranges::count(text_of(metrics), '\n'); };
    for (int i = 0; i < 600 && lines() < 3; ++i) usleep(100'000);
    EXPECT_GE(lines(), 3);
    ranks.send(rank, signal);
    const auto began = std::chrono::steady_clock::now();
    std::vector<EndedRank> others;
    for (int other = 0; other < 3; ++other)
      if (other != rank) others.push_back(ranks.wait_for(other));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
    return others;
  }
};

TEST_F(LostRank, KilledIsNamedWithWhatItWasAt) {
  for (const auto& other : lose(1, SIGKILL)) {
    EXPECT_EQ(other.status, 1) << other.errors;
    EXPECT_NE(other.errors.find("Rank 1 of 3 is lost: no sign of life for "), std::string::npos) << other.errors;
    EXPECT_NE(other.errors.find(" It was last at step "), std::string::npos) << other.errors;
  }
}

TEST_F(LostRank, StoppedIsNamedAsWell) {
  for (const auto& other : lose(2, SIGSTOP)) {
    EXPECT_EQ(other.status, 1) << other.errors;
    EXPECT_NE(other.errors.find("Rank 2 of 3 is lost: no sign of life for "), std::string::npos) << other.errors;
  }
}

TEST_F(LostRank, WithTheStoreIsNoticed) {
  for (const auto& other : lose(0, SIGKILL)) {
    EXPECT_EQ(other.status, 1) << other.errors;
    EXPECT_NE(
        other.errors.find("The ranks' store is gone, and with it the process that keeps it (rank 0, or torchrun)."),
        std::string::npos)
        << other.errors;
  }
}

TEST_F(TrainRanks, RunUnderTorchrun) {
  const char* set = std::getenv("USAM_VENV");
  const std::string torchrun = std::string(set ? set : ".venv") + "/bin/torchrun";
  if (!std::filesystem::exists(torchrun))
    GTEST_SKIP() << "needs the virtual environment with torch (tools/setup; set USAM_VENV)";
  const auto ended = run(torchrun, "--no-python --standalone --nproc-per-node 2 " + command("run", ""));
  ASSERT_EQ(ended.code, 0) << ended.errors;
  EXPECT_EQ(json_lines_of(path("run/metrics.jsonl")).size(), 8U);  // six steps, two evaluations
}

}  // namespace
}  // namespace usam::test
