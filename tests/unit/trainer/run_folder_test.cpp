#include "trainer/run_folder.h"

#include "tests/checkpoints.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

class RunFolder : public ::testing::Test {
 protected:
  // A checkpoint of a run whose best state was at step `best`.
  void add(int64_t step, const std::string& where = "", int64_t best = 0) {
    CheckpointParts parts;
    parts.state.step = step;
    if (best > 0) parts.state.best = Best{"loss", 1, best};
    parts.model = {{"m", torch::ones({1})}};
    test::write_checkpoint(where.empty() ? run() : where, parts);
  }
  std::string run() const { return folder_.path(); }
  std::string checkpoint(int64_t step) const { return fmt::format("{}/checkpoint-{}", run(), step); }

  test::TemporaryFolder folder_;
};

TEST_F(RunFolder, AutoTakesTheNewestWholeOne) {
  EXPECT_EQ(choose_resume(run(), "auto"), "");
  EXPECT_EQ(choose_resume(run() + "/absent", "auto"), "");
  add(9);
  add(10);
  add(100);
  std::filesystem::create_directory(run() + "/checkpoint-x");
  std::filesystem::create_directory(checkpoint(200));
  EXPECT_EQ(choose_resume(run(), "auto"), checkpoint(100));
  std::ofstream(checkpoint(100) + "/state.json") << "{}";
  EXPECT_EQ(choose_resume(run(), "auto"), checkpoint(10));
}

TEST_F(RunFolder, NoneIsRefusedOverCheckpoints) {
  EXPECT_EQ(choose_resume(run(), "none"), "");
  add(3);
  EXPECT_EQ(
      test::message_of([&] { choose_resume(run(), "none"); }),
      run() +
          " holds checkpoints up to step 3, and --resume none would overwrite them. Use --resume auto to continue, "
          "or another run.dir.");
}

TEST_F(RunFolder, APathIsACheckpointOrARun) {
  add(3);
  add(6);
  link_checkpoint(run(), "last", 6);
  const std::string other = run() + "/other";
  EXPECT_EQ(choose_resume(other, checkpoint(3)), checkpoint(3));
  EXPECT_EQ(choose_resume(other, run() + "/last"), checkpoint(6));
  EXPECT_EQ(choose_resume(other, run()), checkpoint(6));
  EXPECT_EQ(test::message_of([&] { choose_resume(run(), checkpoint(3)); }),
            "--resume " + checkpoint(3) + ": " + run() +
                " holds checkpoints up to step 6, later than step 3. Use another run.dir.");
  EXPECT_EQ(test::message_of([&] { choose_resume(run(), run() + "/none"); }),
            "--resume " + run() + "/none: there is no such checkpoint.");
  std::filesystem::remove(checkpoint(6) + "/manifest.json");
  EXPECT_EQ(test::message_of([&] { choose_resume(run(), checkpoint(6)); }),
            checkpoint(6) + " is not a whole checkpoint: manifest.json is missing: it was not written to its end.");
  std::filesystem::remove(checkpoint(3) + "/manifest.json");
  EXPECT_EQ(test::message_of([&] { choose_resume(other, run()); }),
            "--resume " + run() + ": none of its checkpoints is whole.");
}

TEST_F(RunFolder, PruningKeepsTheNewestAndTheBest) {
  add(1, run(), 1);
  add(2, run(), 2);
  for (const int64_t step : {3, 4, 5, 6}) add(step, run(), 2);
  std::filesystem::create_directory(checkpoint(7));
  prune_checkpoints(run(), {.last = 0}, 6);
  EXPECT_EQ(list_checkpoints(run()).size(), 7u);
  prune_checkpoints(run(), {.last = 3, .best = 2}, 6);
  EXPECT_EQ(test::names_in(run()),
            (std::vector<std::string>{"checkpoint-1", "checkpoint-2", "checkpoint-4", "checkpoint-5", "checkpoint-6"}));
  prune_checkpoints(run(), {.last = 2}, 6);
  EXPECT_EQ(test::names_in(run()), (std::vector<std::string>{"checkpoint-2", "checkpoint-5", "checkpoint-6"}));
}

TEST_F(RunFolder, PruningCountsWholeOnesAlone) {
  for (const int64_t step : {1, 2, 3, 4}) add(step);
  std::filesystem::resize_file(checkpoint(3) + "/model.safetensors", 10);
  std::filesystem::remove(checkpoint(2) + "/manifest.json");
  prune_checkpoints(run(), {.last = 1}, 3);  // what was just written is not there
  EXPECT_EQ(list_checkpoints(run()).size(), 4u);
  // The run went back to 1, for 4 has the right sizes but other bytes.
  prune_checkpoints(run(), {.last = 1}, 1);
  EXPECT_EQ(test::names_in(run()), (std::vector<std::string>{"checkpoint-1", "checkpoint-4"}));
}

TEST_F(RunFolder, LinksAreReplaced) {
  link_checkpoint(run(), "best", 1);
  link_checkpoint(run(), "best", 2);
  EXPECT_EQ(std::filesystem::read_symlink(run() + "/best"), "checkpoint-2");
  EXPECT_EQ(test::names_in(run()), std::vector<std::string>{"best"});
}

TEST(ConfigDifferences, OnlyResumableOnesPass) {
  EXPECT_NO_THROW(check_config_differences("RUN/checkpoint-3", {{"trainer.save_every", "10", "20", true}}));
  EXPECT_EQ(test::message_of([] {
              check_config_differences("RUN/checkpoint-3", {{"trainer.save_every", "10", "20", true},
                                                            {"trainer.accumulate", "1", "2", false},
                                                            {"seed", "20", "21", false}});
            }),
            "RUN/checkpoint-3 was made with another config. These keys may not change when a run is resumed:\n"
            "  trainer.accumulate: 1 -> 2\n  seed: 20 -> 21\n"
            "Undo the changes, or start a new run.dir (init_from takes over the weights).");
}

}  // namespace
}  // namespace usam
