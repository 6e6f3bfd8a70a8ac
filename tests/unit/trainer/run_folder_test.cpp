#include "trainer/run_folder.h"

#include "tests/train/toy_run.h"

namespace usam {
namespace {

class RunFolder : public ::testing::Test {
 protected:
  void add(int64_t step, const std::string& where = "") {
    CheckpointParts parts;
    parts.state.step = step;
    parts.model = {{"m", torch::ones({1})}};
    write_checkpoint(where.empty() ? run() : where, parts);
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
  for (const int64_t step : {1, 2, 3, 4}) add(step);
  std::filesystem::create_directory(checkpoint(5));
  prune_checkpoints(run(), 0, std::nullopt);
  EXPECT_EQ(list_checkpoints(run()).size(), 5u);
  prune_checkpoints(run(), 2, 1);
  EXPECT_EQ(test::names_in(run()), (std::vector<std::string>{"checkpoint-1", "checkpoint-3", "checkpoint-4"}));
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
