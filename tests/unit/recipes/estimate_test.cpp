// What --validate says a run will take, against what the run then takes.
#include "recipes/estimate.h"

#include "recipes/parameters.h"
#include "src/tensor/peak_bytes.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::Corpus;
using test::TinyRun;

class Estimates : public testing::Test {
 protected:
  RunConfig config(const std::vector<std::string>& overrides) const {
    using test::operator+;
    return test::tiny_config(folder_.path() / "run",
                             std::vector<std::string>{"trainer.max_steps=7", "trainer.save_every=3",
                                                      "trainer.eval_every=100", "data.threads=0"} +
                                 overrides);
  }
  static Estimate estimate(const RunConfig& config) {
    const TinyRun run(config);
    return try_steps(config, run.recipe, run.data_set(config.data.train, true), run.data_set(config.data.valid, false));
  }

  Corpus corpus_;
  test::TemporaryFolder folder_;
};

// Low-rank updates, everything trained, wide parts whose weights and optimizer states are most of it, and bf16.
TEST_F(Estimates, MemoryIsWithinFifteenPercentOfARuns) {
  const std::vector<std::vector<std::string>> layouts = {
      {},
      {"recipe.llm.train=full", "recipe.encoders.ced.train=full", "recipe.encoders.whisper.train=full"},
      {"recipe.llm.train=full", "recipe.llm.hidden=256", "recipe.llm.intermediate=1024"},
      {"trainer.precision=bf16", "data.batch.rows=6"},
      {"trainer.recompute=1", "data.batch.rows=6"},
      {"trainer.recompute_to_gib=1", "data.batch.rows=6"}};
  for (const auto& overrides : layouts) {
    const RunConfig with = config(overrides);
    const Estimate told = estimate(with);
    std::filesystem::remove_all(folder_.path() / "run");
    const PeakBytes measured([&] {
      const TinyRun run(with);
      TrainerParts parts = run.parts();
      parts.valid.reset();
      Trainer(with.trainer, std::move(parts)).run();
    });
    const auto expected = static_cast<double>(device_bytes(told));
    EXPECT_NEAR(expected / static_cast<double>(measured.peak()), 1, 0.15)
        << ::testing::PrintToString(overrides) << ": " << expected << " against " << measured.peak();
  }
}

TEST_F(Estimates, SayWhatThereIs) {
  const RunConfig with = config({});
  const Estimate told = estimate(with);
  EXPECT_EQ(told.steps, 7);
  EXPECT_EQ(told.micro_batches, 7);  // 13 rows in twos
  EXPECT_EQ(told.micro_batches_of_step, 2);
  EXPECT_EQ(told.first.size(), 2);
  EXPECT_GT(told.worst.trial.bytes, told.held.gradients);
  EXPECT_GT(told.second_at_first.value(), 0);
  EXPECT_GT(told.second_again.value(), 0);
  EXPECT_GE(told.worst.audio_seconds, told.median.audio_seconds);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "run"));
  const std::string time = describe_time(told, with);
  EXPECT_TRUE(time.starts_with("time: 7 steps of ")) << time;
  EXPECT_NE(time.find(" s, 4 an epoch, and 1 evaluations of "), std::string::npos) << time;
  EXPECT_EQ(told.evaluated, 2);
}

TEST_F(Estimates, Texts) {
  Estimate e;
  e.held = {40 << 20, 4 << 20, 8 << 20};
  e.worst = {{3, 3, 0.5, 104 << 20}, 8, 20};
  e.median = {{2, 2, 0.5, 0}, 6, 10};
  e.peak_resident = int64_t{512} << 20;
  e.kept_clips = 16 << 20;
  e.copies = 12 << 20;
  e.load = 5;
  e.seconds_of_micro_batch = 10;
  e.micro_batches = 100;
  e.steps = 20;
  e.micro_batches_of_step = 2;
  e.evaluated = 3;
  EXPECT_EQ(describe_memory(e, int64_t{128} << 20),
            "memory of cpu: 164.0 MiB of tensors\n"
            "  weights         40.0 MiB\n"
            "  gradients        4.0 MiB\n"
            "  optimizer        8.0 MiB\n"
            "  activations    100.0 MiB  (measured: 8 samples, 20.0 s of audio)\n"
            "  copies          12.0 MiB  (while a checkpoint is written)\n"
            "memory of the host: 412.0 MiB beside the 128.0 MiB of the program itself; of that 16.0 MiB for clips "
            "(data.cache_memory), 12.0 MiB for copies while a checkpoint is written\n");
  RunConfig with;
  with.trainer.eval_every = 15;
  with.trainer.best.metric = "ASR/wer";
  // 20 steps of two micro-batches of 5 s, which reading takes, and the update; two evaluations of three forward passes.
  EXPECT_EQ(describe_time(e, with),
            "time: 20 steps of 10.5 s, 50 an epoch, and 2 evaluations of 6 s: about 3 min 42 s on one process\n"
            "  reading takes longer than computing, 5 s a micro-batch against 4 s: raise data.threads, or keep clips "
            "with data.cache_memory\n"
            "  without the decoding that trainer.best.metric, ASR/wer, asks for\n");
  // As seen in training: ten steps of an epoch with 2 x (8 - 0.5) + 0.5 s, ten of the next with 2 x (6 - 0.5) + 0.5 s.
  e.load = 0;
  e.micro_batches = 20;
  e.second_at_first = 0.8;
  e.second_again = 0.6;
  with.trainer.best.metric = "loss";
  EXPECT_EQ(describe_time(e, with),
            "time: 20 steps of 13.5 s, 10 an epoch, and 2 evaluations of 6 s: about 4 min 42 s on one process\n");
}

// Codes are what lies in memory; parameters are the values that they stand for.
TEST_F(Estimates, QuantisedParametersAreCountedAsValues) {
  const auto line_of = [&](const std::vector<std::string>& overrides, const std::string& part) {
    const TinyRun run(config(overrides));
    std::istringstream lines(parameter_table(*run.recipe));
    std::string line;
    while (std::getline(lines, line))
      if (line.starts_with("  " + part + " ")) return line;
    return std::string();
  };
  const std::string plain = line_of({}, "llm"), coded = line_of({"recipe.llm.store=int8"}, "llm");
  ASSERT_NE(plain, "");
  const size_t counts = plain.find("frozen");
  EXPECT_EQ(plain.substr(0, counts), coded.substr(0, counts));
  EXPECT_NE(plain, coded);
}

}  // namespace
}  // namespace usam::recipes
