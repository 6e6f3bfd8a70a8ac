#include "trainer/saver.h"

#include <latch>

#include "src/base/error.h"
#include "tests/checkpoints.h"
#include "tests/thread_ranks.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

constexpr int64_t kValues = 10;

// What one of the ranks brings, which share a tensor of 0, 1, ... 9 evenly.
CheckpointParts parts_of(const dist::Communicator& rank, int64_t step) {
  CheckpointParts parts;
  parts.state.step = step;
  parts.config_yaml = "a: 1\n";
  if (rank.rank() == 0) parts.model = {{"m", torch::full({2}, static_cast<double>(step))}};
  const int64_t each = kValues / rank.world(), begin = each * rank.rank();
  parts.optimizer = {{"m.average", torch::arange(begin, begin + each).to(torch::kFloat), begin, {kValues}}};
  parts.is_shared = rank.world() > 1;
  return parts;
}

class SaverTest : public ::testing::Test {
 protected:
  std::string run() const { return folder_.path(); }
  void expect_holds_all(const std::string& checkpoint) const {
    torch::Tensor all = torch::zeros(kValues);
    restore_pieces(test::whole_pieces({{"m.average", all}}), checkpoint);
    EXPECT_TRUE(all.equal(torch::arange(kValues).to(torch::kFloat))) << all;
  }

  test::TemporaryFolder folder_;
};

TEST_F(SaverTest, TwoRanksMakeOneCheckpoint) {
  test::on_threads(2, [&](dist::Communicator& rank) {
    const std::shared_ptr<dist::Communicator> ranks(&rank, [](auto*) {});
    Saver saver(run(), Keep{2, 1}, true, ranks);
    for (const int64_t step : {3, 6, 9}) {
      saver.start(parts_of(rank, step));
      const std::optional<EndedSave> ended = saver.wait();
      ASSERT_TRUE(ended);
      EXPECT_EQ(ended->problem, "");
      EXPECT_EQ(ended->path, fmt::format("{}/checkpoint-{}", run(), step));
    }
    EXPECT_FALSE(saver.wait());
  });
  EXPECT_EQ(test::names_in(run()), (std::vector<std::string>{"checkpoint-6", "checkpoint-9", "last"}));
  EXPECT_EQ(std::filesystem::read_symlink(run() + "/last"), "checkpoint-9");
  EXPECT_EQ(test::names_in(run() + "/last"),
            (std::vector<std::string>{"config.yaml", "manifest.json", "model.safetensors",
                                      "optimizer-00001-of-00002.safetensors", "optimizer-00002-of-00002.safetensors",
                                      "state.json"}));
  EXPECT_TRUE(checkpoint_problems(run() + "/last").empty());
  expect_holds_all(run() + "/last");
}

// As an error ends the ranks one by one.
TEST_F(SaverTest, WhatTheFirstRankWroteAloneBecomesACheckpointWithoutTheOthers) {
  test::on_threads(2, [&](dist::Communicator& rank) {
    CheckpointParts parts = parts_of(rank, 3);
    parts.is_shared = false;
    Saver(run(), {}, true, {&rank, [](auto*) {}}).start(std::move(parts));
  });
  EXPECT_TRUE(checkpoint_problems(run() + "/checkpoint-3").empty());
  EXPECT_EQ(std::filesystem::read_symlink(run() + "/last"), "checkpoint-3");
}

// A write that waits in the middle until it is let go on.
struct Held {
  std::latch begun{1}, goes_on{1};
  SaveAssets save_assets() {
    return [this](const std::string&, const io::NamedTensors&) {
      begun.count_down();
      goes_on.wait();
    };
  }
};

TEST_F(SaverTest, WritesWhatWasThereWhenItBegan) {
  const auto alone = dist::single_rank();
  Held held;
  Saver saver(run(), {}, true, alone);
  CheckpointParts parts = parts_of(*alone, 3);
  parts.save_assets = held.save_assets();
  torch::Tensor live = parts.optimizer[0].values;
  saver.start(parts);
  held.begun.wait();
  EXPECT_TRUE(saver.is_busy());
  EXPECT_EQ(test::names_in(run()), std::vector<std::string>{".checkpoint-3.partial"});
  live.add_(1);  // training goes on; the optimizer's file is written after the assets
  held.goes_on.count_down();
  EXPECT_EQ(saver.wait()->path, run() + "/checkpoint-3");
  EXPECT_FALSE(saver.is_busy());
  expect_holds_all(run() + "/checkpoint-3");
}

TEST_F(SaverTest, GoesOnFromStageToStage) {
  const auto alone = dist::single_rank();
  Saver saver(run(), {}, true, alone);
  EXPECT_FALSE(saver.advance());
  saver.start(parts_of(*alone, 3));
  EXPECT_THROW(saver.start(parts_of(*alone, 6)), std::logic_error);
  while (saver.is_busy()) std::this_thread::yield();
  EXPECT_FALSE(std::filesystem::exists(run() + "/checkpoint-3"));  // every rank must have written first
  EXPECT_FALSE(saver.advance());
  while (saver.is_busy()) std::this_thread::yield();
  EXPECT_EQ(saver.advance()->path, run() + "/checkpoint-3");
  EXPECT_FALSE(saver.wait());
}

TEST_F(SaverTest, AFailureOfOneRankIsEveryRanks) {
  const std::string in_the_way = partial_checkpoint(run(), 6) + "/optimizer-00002-of-00002.safetensors";
  std::vector<std::string> problems(2);
  test::on_threads(2, [&](dist::Communicator& rank) {
    const std::shared_ptr<dist::Communicator> ranks(&rank, [](auto*) {});
    Saver saver(run(), Keep{2, 1}, true, ranks);
    saver.start(parts_of(rank, 3));
    EXPECT_EQ(saver.wait()->problem, "");
    if (rank.rank() == 0) std::filesystem::create_directories(in_the_way + "/x");
    rank.barrier();
    saver.start(parts_of(rank, 6));
    const auto ended = saver.wait();
    problems[static_cast<size_t>(rank.rank())] = ended->problem;
    EXPECT_EQ(ended->path, "");
    EXPECT_EQ(ended->step, 6);
    saver.start(parts_of(rank, 9));
    EXPECT_EQ(saver.wait()->path, run() + "/checkpoint-9");
  });
  EXPECT_EQ(problems[0], "Checkpoint 6 could not be written: rank 1: Cannot write '" + in_the_way +
                             "': Is a directory. " + run() + "/checkpoint-3 stays the newest one");
  EXPECT_EQ(problems[1], problems[0]);
  EXPECT_EQ(test::names_in(run()), (std::vector<std::string>{"checkpoint-3", "checkpoint-9", "last"}));
}

TEST_F(SaverTest, AWholeCheckpointIsNotOverwritten) {
  const auto alone = dist::single_rank();
  Saver saver(run(), {}, true, alone);
  saver.start(parts_of(*alone, 3));
  saver.wait();
  saver.start(parts_of(*alone, 3));
  EXPECT_EQ(saver.wait()->problem, "Checkpoint 3 could not be written: " + run() +
                                       "/checkpoint-3 exists already and is not overwritten. Use another run.dir. "
                                       "There is no earlier one");
  EXPECT_EQ(test::names_in(run()), (std::vector<std::string>{"checkpoint-3", "last"}));
}

TEST_F(SaverTest, WhatSpeaksAgainstItBeforeIsAFailure) {
  const auto alone = dist::single_rank();
  Saver saver(run(), {}, false, alone);
  saver.start(parts_of(*alone, 3), "Cannot write 'metrics.jsonl': No space left on device.");
  EXPECT_EQ(saver.wait()->problem,
            "Checkpoint 3 could not be written: Cannot write 'metrics.jsonl': No space left on device. There "
            "is no earlier one");
  EXPECT_TRUE(test::names_in(run()).empty());
}

TEST_F(SaverTest, ALinkThatCannotBeMovedIsAWarning) {
  const auto alone = dist::single_rank();
  std::filesystem::create_directories(run() + "/last/x");
  Saver saver(run(), {}, true, alone);
  saver.start(parts_of(*alone, 3));
  const auto ended = saver.wait();
  EXPECT_EQ(ended->path, run() + "/checkpoint-3");
  ASSERT_EQ(ended->warnings.size(), 1u);
  EXPECT_TRUE(ended->warnings[0].starts_with("The link 'last' could not be moved: ")) << ended->warnings[0];
}

}  // namespace
}  // namespace usam
