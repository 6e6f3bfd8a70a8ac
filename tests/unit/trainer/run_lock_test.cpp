#include "trainer/run_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "src/base/machine.h"
#include "tests/support.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

TEST(RunLock, KeepsASecondTrainerOutWhileTheFirstTrains) {
  const test::TemporaryFolder folder;
  const std::string run = folder.path() / "run";
  TrainerConfig config = toy_config(3);
  config.eval_every = 2;
  TrainerParts parts = toy_parts(run);
  std::string told;
  parts.task_figures = [&](auto&&) {
    if (told.empty()) told = test::message_of([&] { Trainer(toy_config(3), toy_parts(run)).run(); });
    return std::map<std::string, double>();
  };
  Trainer(config, parts).run();
  EXPECT_EQ(told, fmt::format("{} is being trained by process {} on {}. Wait until it ends, or give this run a run.dir "
                              "of its own.",
                              run, getpid(), host_name()));
  EXPECT_EQ(test::message_of([&] { RunLock().take(run); }), "");
}

}  // namespace
}  // namespace usam
