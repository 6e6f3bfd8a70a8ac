#include "src/base/config_yaml.h"
#include "tests/support.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"
#include "trainer/trainer_config.h"

namespace usam {

struct Whole {
  TrainerConfig trainer;
};
static void describe(Fields& f, Whole& c) {
  f("trainer", c.trainer, "the loop");
}

namespace {

TEST(TrainerConfig, ReadsTheWholeMap) {
  const test::TemporaryFolder folder;
  const std::string file = folder.write(
      "a.yaml",
      "trainer: {max_steps: 30000, accumulate: 2, precision: bf16, max_grad_norm: 1, save_every: 1000, keep_last: 3, "
      "eval_every: 500,\n  best: {metric: ce, mode: max}, max_bad_steps: 3, optimizer: {type: adamw, lr: 5e-5, betas: "
      "[0.9, 0.98]}, schedule: {type: cosine, warmup: 0.13}}\n");
  Whole config;
  load_config(file, {}, config);
  EXPECT_EQ(config.trainer.max_steps, 30000);
  EXPECT_EQ(config.trainer.precision, Precision::kBf16);
  EXPECT_EQ(config.trainer.best.mode, Better::kHigher);
  EXPECT_EQ(config.trainer.optimizer.as<AdamWConfig>().lr, 5e-5);
  EXPECT_EQ(config.trainer.optimizer.as<AdamWConfig>().betas[1], 0.98);
  EXPECT_EQ(config.trainer.schedule.type, "cosine");
  EXPECT_EQ(config.trainer.schedule.as<DecayScheduleConfig>().warmup, 0.13);

  Whole again;  // what is printed reads back as the same
  load_config(folder.write("b.yaml", print_config(config)), {}, again);
  EXPECT_TRUE(compare_configs(config, again).empty());
}

TEST(TrainerConfig, OnlyTheWatchmansKeysAreResumable) {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("a.yaml", "trainer: {max_steps: 10, optimizer: {type: adamw, lr: 1e-3}}\n");
  Whole before, after;
  load_config(file, {}, before);
  load_config(file,
              {.overrides = {"trainer.max_steps=20", "trainer.save_every=5", "trainer.optimizer.lr=2e-3",
                             "trainer.accumulate=2"}},
              after);
  std::map<std::string, bool> resumable;
  for (const Difference& d : compare_configs(before, after)) resumable[d.key] = d.resumable;
  const std::map<std::string, bool> expected = {{"trainer.max_steps", true},
                                                {"trainer.save_every", true},
                                                {"trainer.optimizer.lr", false},
                                                {"trainer.accumulate", false}};
  EXPECT_EQ(resumable, expected);
}

TEST(TrainerConfig, ReportsMistakes) {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("a.yaml",
                                        "trainer:\n"
                                        "  optimizer: {betas: [0.9]}\n"
                                        "  schedule: {type: cosine, warmup: 2.5}\n");
  Whole config;
  EXPECT_EQ(test::message_of([&] { load_config(file, {}, config); }),
            file + ":2:14: 'betas' must be two numbers, each at least 0 and below 1.\n" + file +
                ":3:13: 'warmup' must be a share below 1 or a whole number of steps.");
  const std::string none = folder.write("b.yaml", "trainer: {precision: bf16}\n");
  EXPECT_EQ(test::message_of([&] { load_config(none, {}, config); }),
            none + ":1:10: 'max_steps' or 'epochs' is missing.");
  const std::string both = folder.write("c.yaml", "trainer: {max_steps: 3, epochs: 1}\n");
  EXPECT_EQ(test::message_of([&] { load_config(both, {}, config); }),
            both + ":1:10: give 'max_steps' or 'epochs', not both.");
  const std::string twice = folder.write("e.yaml", "trainer: {max_steps: 3, recompute: 0.5, recompute_to_gib: 20}\n");
  EXPECT_EQ(test::message_of([&] { load_config(twice, {}, config); }),
            twice + ":1:10: give 'recompute' or 'recompute_to_gib', not both.");
  const std::string unsure = folder.write("f.yaml", "trainer: {max_steps: 3, best: {metric: ASR/wer}}\n");
  Whole other;
  EXPECT_EQ(test::message_of([&] { load_config(unsure, {}, other); }),
            unsure + ":1:31: say with 'mode: min' or 'mode: max' whether lower or higher 'ASR/wer' is better.");
  const std::string never = folder.write("d.yaml", "trainer: {max_steps: 3, max_time: 3 hours}\n");
  EXPECT_EQ(test::message_of([&] { load_config(never, {}, config); }),
            never + ":1:35: '3 hours' is no time; write 3h50m, 90m, 30s or seconds.");
}

}  // namespace
}  // namespace usam
