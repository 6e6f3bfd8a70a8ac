// Curriculum, weights and trainer.warm_with_longest with a real recipe and real data.
#include "data/loader.h"
#include "tests/train/tiny_run.h"

namespace usam::test {
namespace {

std::vector<Json> epochs_of(const std::string& run) {
  std::vector<Json> epochs;
  for (const Json& row : rows_of(run + "/metrics.jsonl"))
    if (row.contains("epoch")) epochs.push_back(row.at("epoch"));
  return epochs;
}

// A phase of the first manifest alone, then one of both: what was seen says so, and an interruption in either changes
// nothing.
TEST(TinyBlend, ACurriculumIsFollowedAndResumed) {
  const Corpus corpus;
  const TemporaryFolder folder;
  const auto run = [&](const std::string& name, const std::string& steps) {
    const TinyRun tiny(folder.path() / name,
                       {"data.train=[" + corpus.path("train.jsonl") + "," + corpus.path("test.jsonl") + "]",
                        "data.curriculum=[{until_step: 5, weights: [1, 0]}, {weights: [0.5, 2]}]",
                        "trainer.save_every=2", "trainer.max_steps=" + steps});
    auto parts = tiny.parts();
    parts.checkpoint = choose_resume(folder.path() / name, "auto");
    return Trainer(tiny.config.trainer, std::move(parts)).run();
  };
  ASSERT_EQ(run("whole", "16"), Outcome::kFinished);
  for (const char* steps : {"3", "5", "7", "16"}) ASSERT_EQ(run("parts", steps), Outcome::kFinished);
  const auto epochs = epochs_of(folder.path() / "whole");
  ASSERT_GE(epochs.size(), 3u);
  EXPECT_EQ(epochs[0]["phase"], 0);
  EXPECT_EQ(epochs[0]["samples"], Corpus::kTrain);
  EXPECT_FALSE(epochs[0]["sources"].contains("test.jsonl"));
  EXPECT_EQ(epochs[1]["phase"], 0);
  EXPECT_LT(epochs[1]["micro_batches"], epochs[1]["of"]);  // cut by the end of the phase
  EXPECT_EQ(epochs[2]["phase"], 1);
  EXPECT_EQ(epochs[2]["sources"]["test.jsonl"], 2 * Corpus::kTest);
  EXPECT_NEAR(epochs[2]["sources"]["train.jsonl"].get<double>(), 0.5 * Corpus::kTrain, 1);
  EXPECT_EQ(epochs_of(folder.path() / "parts"), epochs);
}

// The recipe's own lengths stand behind data.batch.tokens: what it makes of the rows keeps to them.
TEST(TinyBlend, TokensOfTheLanguageModelAreABudget) {
  const Corpus corpus;
  const TemporaryFolder folder;
  for (const std::string tokens : {"150", "400"}) {
    const TinyRun run(folder.path() / "run", {"data.batch={tokens: " + tokens + "}"});
    data::Loader loader(run.data_set(run.config.data.train, true), {});
    int64_t samples = 0, batches = 0;
    while (const auto batch = loader.next()) {
      ++batches;
      samples += batch->size();
      EXPECT_TRUE(batch->skipped.empty());
      torch::Tensor length_B = batch->field("audio_tokens").data.reshape(-1);
      for (const char* name : {"left", "right", "target"}) length_B = length_B + batch->field(name).lengths_B;
      EXPECT_LE(length_B.max().item<int64_t>() * batch->size(), std::stoll(tokens));
    }
    EXPECT_EQ(samples, Corpus::kTrain);
    EXPECT_GT(batches, 1);
    EXPECT_LT(batches, Corpus::kTrain);
  }
}

TEST(TinyWarm, ChangesNoBitOfTraining) {
  const Corpus corpus;
  const TemporaryFolder folder;
  const auto cold = folder.path() / "cold", warm = folder.path() / "warm";
  ASSERT_EQ(TinyRun(cold, {"trainer.max_steps=3"}).train(), Outcome::kFinished);
  ASSERT_EQ(TinyRun(warm, {"trainer.max_steps=3", "trainer.warm_with_longest=true"}).train(), Outcome::kFinished);
  EXPECT_EQ(rows_of(cold / "metrics.jsonl"), rows_of(warm / "metrics.jsonl"));
  EXPECT_TRUE(bytes_of(cold / "last/model.safetensors") == bytes_of(warm / "last/model.safetensors"));
}

}  // namespace
}  // namespace usam::test
