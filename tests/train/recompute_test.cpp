// trainer.recompute_to_gib with a real recipe: the fewest blocks, the budget kept, the same training.
#include "src/tensor/peak_bytes.h"
#include "tests/train/tiny_run.h"

namespace usam::test {
namespace {

class RecomputeToFit : public testing::Test {
 protected:
  std::vector<std::string> options(const std::vector<std::string>& more) const {
    return std::vector<std::string>{"trainer.max_steps=2", "trainer.eval_every=100", "data.batch.rows=6",
                                    "recipe.llm.layers=6", "recipe.llm.hidden=64",   "recipe.llm.intermediate=512"} +
           more;
  }
  // What a run logs.
  std::string train(const std::string& name, const std::vector<std::string>& more) {
    testing::internal::CaptureStderr();
    const auto outcome = TinyRun(folder_.path() / name, options(more)).train();
    const auto logged = testing::internal::GetCapturedStderr();
    EXPECT_EQ(outcome, Outcome::kFinished);
    return logged;
  }
  // What the tensors of a step take at most with so large a share of the blocks recomputed.
  int64_t needed(const std::string& share) {
    const TinyRun run(folder_.path() / "probe", options({"trainer.recompute=" + share}));
    auto parts = run.parts();
    const auto batches = parts.train.worst({});
    Trainer trainer(run.config.trainer, std::move(parts));
    int64_t most = 0;
    for (const auto& batch : batches) most = std::max(most, trainer.probe(batch, /*as_last=*/true).bytes);
    return most + trainer.held().weights + trainer.held().optimizer;
  }
  static std::string gib(double bytes) { return fmt::format("{:.9f}", bytes / (1 << 30)); }

  Corpus corpus_;
  TemporaryFolder folder_;
};

TEST_F(RecomputeToFit, TakesTheFewestBlocksAndTrainsAlike) {
  train("plain", {});
  const auto most = static_cast<double>(needed("0")), least = static_cast<double>(needed("1"));
  ASSERT_LT(least, 0.95 * most);
  int64_t before = -1;
  for (const double share : {1.1, 0.6, 0.2}) {
    const std::string name = fmt::format("fit-{}", share);
    const std::string logged = train(name, {"trainer.recompute_to_gib=" + gib(least + share * (most - least))});
    // The encoders are frozen: of the blocks the language model's are left.
    const auto end = logged.find(" of 6 blocks are computed again in the backward pass, so that tensors need ");
    ASSERT_NE(end, std::string::npos) << logged;
    const int64_t count = std::stoll(logged.substr(logged.rfind(' ', end - 1) + 1));
    EXPECT_GT(count, before);
    if (share > 1) EXPECT_EQ(count, 0);
    if (share == 0.6) EXPECT_LT(count, 6);
    before = count;
    for (const char* file : {"last/model.safetensors", "last/optimizer.safetensors"})
      EXPECT_TRUE(bytes_of(folder_.path() / name / file) == bytes_of(folder_.path() / "plain" / file)) << file;
  }
}

TEST_F(RecomputeToFit, SaysWhatCannotFit) {
  const std::string message =
      message_of([&] { TinyRun(folder_.path() / "run", options({"trainer.recompute_to_gib=0.0009765625"})).train(); });
  EXPECT_TRUE(message.starts_with("trainer.recompute_to_gib: the micro-batches that take most memory need "))
      << message;
  EXPECT_NE(message.find(" with all 6 blocks computed again, "), std::string::npos) << message;
  EXPECT_TRUE(
      message.ends_with(" of it for weights and the optimizer; 1.0 MiB are allowed. Lower data.batch or "
                        "data.max_seconds, or allow more."))
      << message;
}

}  // namespace
}  // namespace usam::test
