// A run that is cut short and continued leaves the same bytes as one that is not.
#include <csignal>
#include <set>

#include "src/io/events.h"
#include "tests/train/toy_run.h"

namespace usam {
namespace {

using test::toy_config;
using test::toy_parts;

constexpr int64_t kResumedSteps = 10;

test::ToyOptions with_dropout() {
  return {.dropout = 0.4, .uses_bias = true, .on_forward = {}};
}

// Sends a signal while the given micro-batch is computed, once.
test::ToyOptions stopping_at(data::Cursor where, int signal) {
  test::ToyOptions options = with_dropout();
  auto done = std::make_shared<bool>(false);
  options.on_forward = [=](const data::Batch& batch) {
    if (batch.cursor == where && !std::exchange(*done, true)) raise(signal);
  };
  return options;
}

void expect_equal_runs(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "state.json"})
    EXPECT_EQ(test::content(a / "last" / name), test::content(b / "last" / name)) << name;
  EXPECT_EQ(test::lines(a / "metrics.jsonl"), test::lines(b / "metrics.jsonl"));
  EXPECT_EQ(std::filesystem::read_symlink(a / "best"), std::filesystem::read_symlink(b / "best"));
  EXPECT_EQ(test::content(a / "best/model.safetensors"), test::content(b / "best/model.safetensors"));
}

class Resume : public ::testing::Test {
 protected:
  void SetUp() override { Trainer(toy_config(kResumedSteps), toy_parts(whole(), with_dropout())).run(); }
  std::string whole() const { return folder_.path() / "whole"; }
  std::string cut() const { return folder_.path() / "cut"; }
  static TrainerParts from(const std::string& checkpoint, TrainerParts parts) {
    parts.checkpoint = checkpoint;
    return parts;
  }
  // Starts or continues the run that is cut.
  Outcome go_on(test::ToyOptions options) {
    return Trainer(toy_config(kResumedSteps), from(choose_resume(cut(), "auto"), toy_parts(cut(), std::move(options))))
        .run();
  }

  test::TemporaryFolder folder_;
};

TEST_F(Resume, EqualsAnUninterruptedRunBitForBit) {
  // In the first step, in the last one of an epoch, and in the middle of the next.
  EXPECT_EQ(go_on(stopping_at({0, 1}, SIGTERM)), Outcome::kStopped);
  EXPECT_EQ(list_checkpoints(cut()).back().step, 1);
  EXPECT_EQ(go_on(stopping_at({0, 6}, SIGUSR1)), Outcome::kStopped);
  EXPECT_EQ(list_checkpoints(cut()).back().step, 4);
  EXPECT_EQ(go_on(stopping_at({1, 3}, SIGINT)), Outcome::kStopped);
  EXPECT_EQ(list_checkpoints(cut()).back().step, 6);
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  expect_equal_runs(whole(), cut());
}

// Sends a signal while one of the evaluated micro-batches of a start is computed, counted from 1.
test::ToyOptions stopping_in_evaluation(int64_t micro_batch) {
  test::ToyOptions options = with_dropout();
  options.on_forward = [left = std::make_shared<int64_t>(micro_batch)](const data::Batch&) {
    if (!torch::GradMode::is_enabled() && --*left == 0) raise(SIGUSR1);
  };
  return options;
}

// SLURM does not wait for a long evaluation.
TEST_F(Resume, AnEvaluationThatASignalEndsIsMadeUpForByTheNextStart) {
  EXPECT_EQ(go_on(stopping_in_evaluation(2)), Outcome::kStopped);  // at step 3
  EXPECT_TRUE(read_run_state(cut() + "/last").owes_evaluation);
  EXPECT_EQ(go_on(stopping_in_evaluation(1)), Outcome::kStopped);  // once more
  EXPECT_EQ(list_checkpoints(cut()).back().step, 3);
  EXPECT_EQ(go_on(stopping_in_evaluation(10)), Outcome::kStopped);  // of the steps 3, 6, 9 and the last one, 10
  EXPECT_EQ(read_run_state(cut() + "/last").step, kResumedSteps);
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  expect_equal_runs(whole(), cut());
  EXPECT_EQ(go_on(stopping_in_evaluation(1)), Outcome::kFinished);  // nothing is left to do
}

TEST_F(Resume, AnEvaluationThatIsOwedIsRecordedOnce) {
  const std::string owing = cut() + "/checkpoint-3", kept = folder_.path() / "kept";
  EXPECT_EQ(go_on(stopping_in_evaluation(1)), Outcome::kStopped);
  std::filesystem::copy(owing, kept);
  test::ToyOptions options = with_dropout();
  options.on_forward = [](const data::Batch&) {
    if (torch::GradMode::is_enabled()) throw std::runtime_error("power cut");
  };
  EXPECT_THROW(go_on(options), std::runtime_error);  // in step 4
  EXPECT_FALSE(read_run_state(owing).owes_evaluation);
  std::filesystem::remove_all(owing);  // as if the power had failed before it was replaced
  std::filesystem::rename(kept, owing);
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  expect_equal_runs(whole(), cut());
}

// A crash between the two renames that put a checkpoint into the place of one that owed its evaluation.
TEST_F(Resume, ACheckpointThatGaveWayIsTakenBack) {
  EXPECT_EQ(go_on(stopping_in_evaluation(2)), Outcome::kStopped);
  const std::string gave_way = cut() + "/.checkpoint-3.replaced.partial";
  std::filesystem::rename(cut() + "/checkpoint-3", gave_way);
  EXPECT_EQ(choose_resume(cut(), "auto"), gave_way);
  EXPECT_EQ(go_on(stopping_in_evaluation(1)), Outcome::kStopped);
  EXPECT_EQ(list_checkpoints(cut()).back().step, 3);
  EXPECT_FALSE(std::filesystem::exists(gave_way));
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  expect_equal_runs(whole(), cut());
}

// What decoding gives is cut short as well, and asked again.
TEST_F(Resume, TaskFiguresHearThatAStopIsAskedFor) {
  TrainerParts parts = toy_parts(cut(), with_dropout());
  parts.task_figures = [](const std::function<bool()>& stops) -> TaskFigures {
    EXPECT_FALSE(stops());
    raise(SIGTERM);
    EXPECT_TRUE(stops());
    return std::nullopt;
  };
  EXPECT_EQ(Trainer(toy_config(kResumedSteps), parts).run(), Outcome::kStopped);
  EXPECT_TRUE(read_run_state(cut() + "/checkpoint-3").owes_evaluation);
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  expect_equal_runs(whole(), cut());
}

TEST_F(Resume, ATornCheckpointIsSkippedAndMadeAgain) {
  EXPECT_EQ(go_on(stopping_at({1, 3}, SIGTERM)), Outcome::kStopped);
  const std::string torn = cut() + "/checkpoint-6";
  std::filesystem::resize_file(torn + "/model.safetensors",
                               std::filesystem::file_size(torn + "/model.safetensors") - 1);
  EXPECT_EQ(choose_resume(cut(), "auto"), cut() + "/checkpoint-4");
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  EXPECT_TRUE(checkpoint_problems(torn).empty());
  expect_equal_runs(whole(), cut());
}

TEST_F(Resume, ACrashLosesNothingButTime) {
  test::ToyOptions options = with_dropout();
  options.on_forward = [](const data::Batch& batch) {
    if (batch.cursor == data::Cursor{1, 5}) throw std::runtime_error("power cut");
  };
  EXPECT_THROW(go_on(options), std::runtime_error);  // at step 7: metrics.jsonl is ahead of checkpoint-6
  std::filesystem::remove(cut() + "/last");
  std::filesystem::create_directory(cut() + "/.checkpoint-8.partial");
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  expect_equal_runs(whole(), cut());
  EXPECT_EQ(test::names_in(whole()), test::names_in(cut()));
}

// Nor does TensorBoard show the steps of a start that saved nothing beside those of the next one.
TEST_F(Resume, AStartFromTheFirstStepHidesAnEarlierOne) {
  test::ToyOptions options = with_dropout();
  options.on_forward = [](const data::Batch& batch) {
    if (batch.cursor == data::Cursor{0, 2}) throw std::runtime_error("power cut");
  };
  EXPECT_THROW(go_on(options), std::runtime_error);
  EXPECT_TRUE(list_checkpoints(cut()).empty());
  EXPECT_EQ(go_on(with_dropout()), Outcome::kFinished);
  std::map<std::string, int64_t> hidden_from;  // by file
  for (const auto& entry : std::filesystem::directory_iterator(cut()))
    if (entry.path().filename().string().starts_with("events."))
      io::read_events(entry.path(), [&](io::Event&& event) {
        if (event.kind == io::Event::Kind::kResume) hidden_from[entry.path()] = event.step;
        return true;
      });
  ASSERT_EQ(hidden_from.size(), 2U);
  EXPECT_EQ(hidden_from.rbegin()->second, 1);
}

TEST_F(Resume, AFinishedRunHasNothingLeftToDo) {
  const auto before = std::filesystem::last_write_time(whole() + "/metrics.jsonl");
  Trainer trainer(toy_config(kResumedSteps), from(choose_resume(whole(), "auto"), toy_parts(whole())));
  EXPECT_EQ(trainer.run(), Outcome::kFinished);
  EXPECT_EQ(std::filesystem::last_write_time(whole() + "/metrics.jsonl"), before);
}

TEST_F(Resume, IntoAnotherFolder) {
  const std::string checkpoint = choose_resume(cut(), whole() + "/checkpoint-6");
  Trainer trainer(toy_config(kResumedSteps), from(checkpoint, toy_parts(cut(), with_dropout())));
  EXPECT_FALSE(trainer.state().best.has_value());  // it stayed behind
  trainer.run();
  EXPECT_EQ(test::content(whole() + "/last/model.safetensors"), test::content(cut() + "/last/model.safetensors"));
  EXPECT_EQ(test::lines(cut() + "/metrics.jsonl")[0]["step"], 7);
}

TEST_F(Resume, RefusesAnotherSeedAndAnUnevenNumberOfRanks) {
  TrainerParts other = from(whole() + "/checkpoint-6", toy_parts(cut()));
  other.seed = 21;
  EXPECT_EQ(test::message_of([&] { Trainer(toy_config(kResumedSteps), other); }),
            whole() + "/checkpoint-6 was made with seed 20, this run has seed 21.");
  const auto three = from(whole() + "/checkpoint-6", toy_parts(cut(), {}, dist::thread_ranks(3)[1]));
  EXPECT_EQ(test::message_of([&] { Trainer(toy_config(kResumedSteps), three); }),
            whole() +
                "/checkpoint-6: its steps have 2 micro-batches, which 3 ranks cannot share evenly. Use a number of "
                "ranks that divides 2.");
}

TEST_F(Resume, RefusesAnotherBase) {
  std::ofstream(whole() + "/checkpoint-6/base.json") << "{}";
  const auto parts = from(whole() + "/checkpoint-6", toy_parts(whole()));
  EXPECT_EQ(test::message_of([&] { Trainer(toy_config(kResumedSteps), parts); }),
            whole() + "/checkpoint-6/base.json is another toy's.");
}

TEST_F(Resume, NoticesThatTheDataShrank) {
  TrainerParts parts = from(whole() + "/checkpoint-6", toy_parts(cut(), with_dropout()));
  parts.train = test::toy_batches(4);
  Trainer trainer(toy_config(kResumedSteps), parts);
  EXPECT_EQ(test::message_of([&] { trainer.run(); }),
            "Epoch 1 has 4 micro-batches, and the run stands at number 4: the training data changed, or is empty.");
}

}  // namespace
}  // namespace usam
