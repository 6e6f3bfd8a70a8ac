// What the trainer says when a run goes wrong, and where it is counted.
#include "trainer/health.h"

#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>

#include <limits>
#include <new>

#include "tests/sanitizer.h"
#include "tests/train/toy_run.h"
#include "trainer/prometheus.h"

namespace usam {
namespace {

using test::toy_config;
using test::toy_parts;

StepRecord step_with(double value, int64_t step = 30) {
  StepRecord record;
  record.step = step;
  record.figures.values = {{"experts/1", value}};
  record.interval.steps = 10;
  return record;
}

Health one_watch() {
  return Health({{"dead_expert/1", "experts/1", 0.01, 0.95, "Dead expert 1", "Raise recipe.loss.balance.weight."}});
}

TEST(Health, TellsAfterThreeLinesAndThenAfterTenTimesAsMany) {
  Health health = one_watch();
  std::vector<int64_t> told;
  for (int64_t line = 1; line <= 300; ++line) {
    StepRecord record = step_with(0.004, line);
    if (!health.see(record).empty()) told.push_back(line);
    EXPECT_EQ(record.health, (std::map<std::string, int64_t>{{"dead_expert/1", 1}}));
  }
  EXPECT_EQ(told, (std::vector<int64_t>{3, 30, 300}));
}

TEST(Health, SaysWhichFigureIsOutOfItsBounds) {
  Health health = one_watch();
  StepRecord record = step_with(0.004);
  health.see(record);
  health.see(record);
  EXPECT_EQ(health.see(record),
            std::vector<std::string>{"Dead expert 1: experts/1 is 0.004, below 0.01, at step 30 and has been for 3 "
                                     "lines. Raise recipe.loss.balance.weight."});
  StepRecord well = step_with(0.3);
  EXPECT_TRUE(health.see(well).empty());
  EXPECT_TRUE(well.health.empty());
  StepRecord high = step_with(0.99);
  EXPECT_TRUE(health.see(high).empty());  // the count began anew
  EXPECT_TRUE(health.see(high).empty());
  EXPECT_EQ(health.see(high),
            std::vector<std::string>{"Dead expert 1: experts/1 is 0.99, above 0.95, at step 30 and has been for 3 "
                                     "lines. Raise recipe.loss.balance.weight."});
  StepRecord other;
  EXPECT_TRUE(health.see(other).empty());  // a step without the figure
}

TEST(Health, DataStarvation) {
  Health health({});
  StepRecord record = step_with(0);
  record.interval.data = 3;
  record.interval.compute = 4;
  record.interval.communication = 1;
  EXPECT_TRUE(health.see(record).empty());
  EXPECT_TRUE(health.see(record).empty());
  EXPECT_EQ(health.see(record),
            std::vector<std::string>{
                "Data starvation: 38 % of the time of the last 10 steps, up to step 30, went by waiting for samples. "
                "Raise data.threads, keep clips in memory with data.cache_memory, or what frozen encoders make of them "
                "on disk with recipe.cache."});
  EXPECT_TRUE(record.is_starved);
  EXPECT_TRUE(record.health.empty());  // it depends on the clock
  record.interval.data = 0.9;          // too short to be sure
  record.interval.compute = 0.1;
  health.see(record);
  EXPECT_FALSE(record.is_starved);
}

TEST(Health, NotFinite) {
  Health health = one_watch();
  StepRecord record = step_with(std::numeric_limits<double>::quiet_NaN(), 7);
  record.finite = false;
  EXPECT_EQ(health.see(record),
            std::vector<std::string>{
                "Step 7: the loss or its gradient is not finite. Listen to the samples in bad_batches.jsonl; where it "
                "happens to others too, lower trainer.optimizer.lr, give trainer.schedule a longer warmup, set "
                "trainer.max_grad_norm to 1 or trainer.precision to fp32."});
  EXPECT_TRUE(health.see(record).empty());
  EXPECT_EQ(record.health, (std::map<std::string, int64_t>{{"not_finite", 1}}));
}

TEST(Health, APetabyteIsOutOfMemory) {
  USAM_NEEDS_THE_SYSTEMS_ALLOCATOR();
  try {
    torch::empty({int64_t{1} << 50});
    FAIL() << "a petabyte";
  } catch (const std::exception& e) {
    EXPECT_TRUE(is_out_of_memory(e)) << e.what();
  }
}

TEST(Health, OutOfMemory) {
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(is_out_of_memory(c10::OutOfMemoryError({__func__, __FILE__, uint32_t{1}}, "80 GiB")));
  EXPECT_FALSE(is_out_of_memory(std::runtime_error("no")));
  EXPECT_EQ(
      out_of_memory_message(12, "backward", "cuda:0", {"a", "b"}),
      "Step 12 does not fit into the memory of cuda:0. Lower data.batch (and raise trainer.accumulate as much) or "
      "data.max_seconds, or raise trainer.recompute; trainer.warm_with_longest: true finds out before the first "
      "step. Its samples: a and b.");
  EXPECT_EQ(
      out_of_memory_message(12, "figures of the evaluation", "cuda:0", {"a"}),
      "The evaluation after step 12 does not fit into the memory of cuda:0. Lower evaluate.batch_rows or data.batch.");
  EXPECT_EQ(out_of_memory_message(12, "saving", "cuda:0", {}),
            "What is saved after step 12 does not fit into host memory. Set trainer.save_in_background: false, which "
            "needs no copy of the optimizer's values.");
}

// Out of memory in the middle of a run, as its user sees it.
TEST(Health, ARunThatRunsOutOfMemorySaysWhatToLower) {
  const test::TemporaryFolder folder;
  test::ToyOptions options;
  options.on_forward = [](const data::Batch& batch) {
    if (batch.cursor.micro_batch == 3) throw std::bad_alloc();
  };
  testing::internal::CaptureStderr();
  EXPECT_THROW(Trainer(toy_config(4), toy_parts(folder.path(), options)).run(), std::bad_alloc);
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("Step 2 does not fit into the memory of cpu. Lower data.batch"), std::string::npos) << told;
}

// A dropped step and a figure out of bounds in metrics.jsonl and in the file of Prometheus.
TEST(Health, IsCounted) {
  const test::TemporaryFolder folder;
  test::ToyOptions options;
  options.watches = {{"few", "samples_seen", 100, 1000, "Few samples", "Give more."}};
  options.on_forward = [](const data::Batch& batch) {
    if (batch.cursor == data::Cursor{0, 3}) batch.field("x").data.fill_(std::numeric_limits<float>::quiet_NaN());
  };
  auto parts = toy_parts(folder.path() / "run", options);
  parts.valid.reset();
  parts.prometheus = folder.path() / "usam.prom";
  testing::internal::CaptureStderr();
  ASSERT_EQ(Trainer(toy_config(5), parts).run(), Outcome::kFinished);
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("Few samples: samples_seen is "), std::string::npos) << told;
  EXPECT_NE(told.find("below 100, at step 4 and has been for 3 lines. Give more."), std::string::npos) << told;
  const auto lines = test::lines(folder.path() / "run/metrics.jsonl");
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0].at("health"), (Json{{"few", 1}}));
  EXPECT_EQ(lines[1], (Json{{"step", 2}, {"health", {{"not_finite", 1}}}}));
  EXPECT_EQ(lines[4].at("health"), (Json{{"few", 1}}));
  const std::string text = test::content(folder.path() / "usam.prom");
  const std::string run = "{run=\"" + (folder.path() / "run").string() + "\"";
  for (const std::string& line : {"usam_step" + run + "} 5\n", "usam_health_total" + run + ",name=\"few\"} 4\n",
                                  "usam_health_total" + run + ",name=\"not_finite\"} 1\n",
                                  "usam_train" + run + ",name=\"loss\"} ", "usam_time" + run + ",name=\"seconds\"} "})
    EXPECT_NE(text.find(line), std::string::npos) << line << " in\n" << text;
}

TEST(Prometheus, Text) {
  EXPECT_EQ(prometheus_text("runs/\"a\"", {{"step", 20},
                                           {"loss", 2.5},
                                           {"router/ASR/0", std::numeric_limits<double>::quiet_NaN()},
                                           {"eval", {{"loss", 2.25}}},
                                           {"epoch", {{"number", 1}}}}),
            "# TYPE usam_step gauge\nusam_step{run=\"runs/\\\"a\\\"\"} 20\n"
            "# TYPE usam_train gauge\n"
            "usam_train{run=\"runs/\\\"a\\\"\",name=\"loss\"} 2.5\n"
            "usam_train{run=\"runs/\\\"a\\\"\",name=\"router/ASR/0\"} NaN\n"
            "# TYPE usam_eval gauge\n"
            "usam_eval{run=\"runs/\\\"a\\\"\",name=\"loss\"} 2.25\n");
}

}  // namespace
}  // namespace usam
