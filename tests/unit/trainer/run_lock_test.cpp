#include "trainer/run_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "src/base/machine.h"
#include "tests/support.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

using test::toy_config;
using test::toy_parts;

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
  // A start that finds nothing to do leaves alone what the other one may be writing: here of a step that the first
  // trainer does not reach, since it moves its own away as soon as they are whole.
  const std::string partial = run + "/.checkpoint-9.partial";
  bool is_left = false;
  parts.task_figures = [&, inner = parts.task_figures](auto&& stops) {
    std::filesystem::create_directories(partial);
    Trainer(toy_config(0), toy_parts(run)).run();
    is_left = std::filesystem::exists(partial);
    std::filesystem::remove_all(partial);
    return inner(stops);
  };
  Trainer(config, parts).run();
  EXPECT_TRUE(is_left);
  EXPECT_EQ(told, fmt::format("{} is being trained by process {} on {}. Wait until it ends, or give this run a run.dir "
                              "of its own.",
                              run, getpid(), host_name()));
  EXPECT_EQ(test::message_of([&] { RunLock().take(run); }), "");
}

}  // namespace
}  // namespace usam
