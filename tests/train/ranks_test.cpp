// usam-train as several processes over Gloo: the same run as one process with as many micro-batches in a step.
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

TEST_F(TrainRanks, RunUnderTorchrun) {
  USAM_NEEDS_TORCHRUN();
  const auto ended = run(torchrun(), "--no-python --standalone --nproc-per-node 2 " + command("run", ""));
  ASSERT_EQ(ended.code, 0) << ended.errors;
  EXPECT_EQ(json_lines_of(path("run/metrics.jsonl")).size(), 8U);  // six steps, two evaluations
}

}  // namespace
}  // namespace usam::test
