// parallel.strategy through the real program: the same run however its state is shared out.
#include "tests/train/train_ranks.h"

namespace usam::test {
namespace {

class Strategies : public TrainRanks {
 protected:
  // Of runs that multiply in bfloat16 or in codes, whose rounding differs.
  void expect_near_run(const std::string& run, const std::string& other) const {
    const auto ours = json_lines_of(path(run + "/metrics.jsonl")),
               theirs = json_lines_of(path(other + "/metrics.jsonl"));
    ASSERT_EQ(ours.size(), theirs.size());
    const auto loss = [](const Json& figures) { return figures.at("loss").get<double>(); };
    EXPECT_NEAR(loss(ours[0]), loss(theirs[0]), 1e-3);
    EXPECT_NEAR(loss(ours.back().at("eval")), loss(theirs.back().at("eval")), 0.02);
  }
};

// One run of one process with as many micro-batches, in DIR/one.
TEST_F(Strategies, TrainTheSameModel) {
  const auto one = run("env OMP_NUM_THREADS=1", command("one", "trainer.accumulate=6"));
  ASSERT_EQ(one.code, 0) << one.errors;
  for (const std::string strategy : {"zero1", "fsdp"})
    for (const int world : {2, 3}) {
      SCOPED_TRACE(strategy + " on " + std::to_string(world));
      const std::string name = strategy + std::to_string(world);
      const std::string more = "trainer.accumulate=" + std::to_string(6 / world) + " parallel.strategy=" + strategy;
      expect_done(run_ranks(world, free_port(), command(name, more)));
      expect_same_run(name, "one");
    }
}

// Large enough for libraries' own tables and threads not to count for much.
constexpr const char* kLarge =
    "recipe.llm.hidden=512 recipe.llm.intermediate=2048 recipe.llm.layers=3 recipe.llm.train=full ";

// Started as the run is, --validate shares the model out as the run does and tells of the rank that needs most.
TEST_F(Strategies, ValidationTellsTheMemoryOfARank) {
  const std::string run = command("run", std::string(kLarge) + "parallel.strategy=zero1");
  const auto validated = run_ranks(2, free_port(), run + " --validate");
  expect_done(validated);
  EXPECT_EQ(validated[1].output, "");
  const std::string& told = validated[0].output;
  EXPECT_NE(told.find("memory of cpu on the rank of 2 that needs most: "), std::string::npos) << told;
  EXPECT_NE(told.find(" on 2 ranks\n"), std::string::npos) << told;
  EXPECT_FALSE(std::filesystem::exists(path("run")));
  expect_done(run_ranks(2, free_port(), run));
  double peak = 0;
  for (const Json& line : json_lines_of(path("run/metrics.jsonl")))
    if (line.contains("loss")) peak = line.at("time").at("peak_memory").get<double>();
  const double expected = bytes_behind(told, "memory of the host for this rank: ");
  const double taken = peak - bytes_behind(told, " beside the ");
  // Not quite as much is taken where the copies are written before the next step is at its peak, or find room in the
  // heap that it left.
  EXPECT_GT(expected / taken, 0.85) << expected << " against " << taken;
  EXPECT_LT(expected / taken, 1.35) << expected << " against " << taken;
}

TEST_F(Strategies, ValidationTellsAShareOfAll) {
  const auto one = train("configs/tests/tiny.yaml " + std::string(kLarge) + "--validate");
  ASSERT_EQ(one.code, 0) << one.errors;
  const auto two = run_ranks(2, free_port(), command("run", std::string(kLarge) + "parallel.strategy=fsdp --validate"));
  expect_done(two);
  for (const char* what : {"\n  weights ", "\n  gradients ", "\n  optimizer "})
    EXPECT_NEAR(bytes_behind(two[0].output, what) / bytes_behind(one.output, what), 0.5, 0.01) << two[0].output;
}

// A checkpoint of three ranks that share the optimizer's states, continued by two that share them otherwise, then by
// one that has all of them.
TEST_F(Strategies, ContinueEachOthersCheckpoints) {
  const auto whole = run("env OMP_NUM_THREADS=1", command("whole", "trainer.accumulate=6 trainer.save_every=2"));
  ASSERT_EQ(whole.code, 0) << whole.errors;
  const auto leg = [&](int world, const std::string& strategy, int64_t until) {
    // A step keeps its number of micro-batches, whatever trainer.accumulate meant for the first three ranks.
    const std::string more =
        "trainer.save_every=2 trainer.keep_last=0 trainer.accumulate=2 parallel.strategy=" + strategy;
    expect_done(run_ranks(world, free_port(), command("cut", more)));
    for (int64_t step = until + 1; step <= 6; ++step)
      std::filesystem::remove_all(path("cut/checkpoint-" + std::to_string(step)));
    EXPECT_TRUE(std::filesystem::exists(path("cut/checkpoint-" + std::to_string(until))));
  };
  leg(3, "zero1", 2);
  leg(2, "fsdp", 4);
  leg(1, "ddp", 6);
  expect_same_run("cut", "whole");
}

// Everything trained, the models' weights too, with a checkpoint's whole values in one file.
TEST_F(Strategies, TrainAllWeights) {
  const std::string full = "recipe.llm.train=full recipe.encoders.whisper.train=full recipe.encoders.mert.train=lora ";
  const auto one = run("env OMP_NUM_THREADS=1", command("one", full + "trainer.accumulate=4"));
  ASSERT_EQ(one.code, 0) << one.errors;
  expect_done(run_ranks(2, free_port(), command("two", full + "trainer.accumulate=2 parallel.strategy=fsdp")));
  expect_same_run("two", "one");
}

// Decoding, which the ranks do alike where they fetch each other's weights for every token.
TEST_F(Strategies, DecodeDuringEvaluation) {
  const std::string best = "trainer.best.metric=tasks/error trainer.best.mode=min ";
  const auto one = run("env OMP_NUM_THREADS=1", command("one", best + "trainer.accumulate=2"));
  ASSERT_EQ(one.code, 0) << one.errors;
  expect_done(run_ranks(2, free_port(), command("two", best + "trainer.accumulate=1 parallel.strategy=fsdp")));
  expect_same_run("two", "one");
  const auto ours = json_lines_of(path("two/metrics.jsonl")), theirs = json_lines_of(path("one/metrics.jsonl"));
  EXPECT_EQ(ours.back().at("eval").at("tasks/error"), theirs.back().at("eval").at("tasks/error"));
}

TEST_F(Strategies, TrainInBf16) {
  const std::string more =
      "trainer.best.metric=tasks/error trainer.best.mode=min trainer.precision=bf16 recipe.llm.train=full ";
  const auto one = run("env OMP_NUM_THREADS=1", command("one", more + "trainer.accumulate=2"));
  ASSERT_EQ(one.code, 0) << one.errors;
  expect_done(run_ranks(2, free_port(), command("two", more + "trainer.accumulate=1 parallel.strategy=fsdp")));
  expect_near_run("two", "one");
}

// Codes and their scales are shared out and fetched as any weights.
TEST_F(Strategies, KeepFrozenWeightsInFewerBits) {
  const std::string more =
      "recipe.llm.store=int8 recipe.encoders.whisper.store=int8_dynamic recipe.encoders.ced.store=nf4 "
      "recipe.encoders.mert.store=bfloat16 ";
  const auto one = run("env OMP_NUM_THREADS=1", command("one", more + "trainer.accumulate=4"));
  ASSERT_EQ(one.code, 0) << one.errors;
  for (const std::string strategy : {"ddp", "fsdp"}) {
    expect_done(
        run_ranks(2, free_port(), command(strategy, more + "trainer.accumulate=2 parallel.strategy=" + strategy)));
    expect_same_run(strategy, "one");
  }
}

// A tied table in bfloat16 is whole between the root's fetch and its release, and so are MERT's convolutions in codes.
TEST_F(Strategies, MultiplyInFewerBits) {
  const std::string more =
      "trainer.best.metric=tasks/error trainer.best.mode=min recipe.llm.store=bfloat16_dynamic recipe.llm.tied=true "
      "recipe.encoders.mert.store=int8_dynamic ";
  const auto one = run("env OMP_NUM_THREADS=1", command("one", more + "trainer.accumulate=2"));
  ASSERT_EQ(one.code, 0) << one.errors;
  expect_done(run_ranks(2, free_port(), command("two", more + "trainer.accumulate=1 parallel.strategy=fsdp")));
  expect_near_run("two", "one");
}

// What a block keeps for its backward pass is nobody else's matter; its dropout is the same both times.
TEST_F(Strategies, RecomputeActivations) {
  const std::string more = "recipe.encoders.whisper.train=lora ";
  const auto one = run("env OMP_NUM_THREADS=1", command("one", more + "trainer.accumulate=4"));
  ASSERT_EQ(one.code, 0) << one.errors;
  for (const std::string strategy : {"ddp", "zero1", "fsdp"}) {
    const std::string again = more + "trainer.recompute=1 trainer.accumulate=2 parallel.strategy=" + strategy;
    expect_done(run_ranks(2, free_port(), command(strategy, again)));
    expect_same_run(strategy, "one");
  }
  const std::string chosen = "trainer.recompute_to_gib=1 trainer.accumulate=2 parallel.strategy=fsdp";
  expect_done(run_ranks(2, free_port(), command("chosen", more + chosen)));
  expect_same_run("chosen", "one");
}

// Rank 1's only micro-batch of an epoch's last step does not exist: it computes on silence, without effect.
TEST_F(Strategies, ARankWithoutSamplesTakesPart) {
  const auto one = run("env OMP_NUM_THREADS=1", command("one", "trainer.accumulate=2 data.batch.rows=5"));
  ASSERT_EQ(one.code, 0) << one.errors;
  expect_done(
      run_ranks(2, free_port(), command("two", "trainer.accumulate=1 data.batch.rows=5 parallel.strategy=fsdp")));
  expect_same_run("two", "one");
}

}  // namespace
}  // namespace usam::test
