// Figures of twenty steps of configs/tests/tiny.yaml that the tree keeps: a refactoring does not move them. A change of
// what is computed does; then run this test with USAM_UPDATE_GOLDENS=1 and say why in the commit.
#include "data/loader.h"
#include "tests/train/tiny_run.h"

namespace usam::test {
namespace {

constexpr const char* kGolden = "tests/fixtures/tiny_losses.json";

TEST(TinyRun, TwentyStepsGiveTheGoldenFigures) {
  const Corpus corpus;
  const TemporaryFolder folder;
  ASSERT_EQ(TinyRun(folder.path() / "run").train(), Outcome::kFinished);
  Json steps = Json::array(), evaluations = Json::array();
  for (const auto& row : rows_of(folder.path() / "run/metrics.jsonl")) {
    if (row.contains("eval")) {
      evaluations.push_back(row.at("eval").at("loss"));
    } else {
      steps.push_back({{"loss", row.at("loss")}, {"ce", row.at("ce")}, {"grad_norm", row.at("grad_norm")}});
    }
  }
  if (std::getenv("USAM_UPDATE_GOLDENS")) {
    std::ofstream(kGolden) << Json{{"steps", steps}, {"evaluations", evaluations}}.dump(1) << "\n";
  }
  const Json golden = Json::parse(std::ifstream(kGolden));
  ASSERT_EQ(steps.size(), golden.at("steps").size());
  for (size_t i = 0; i < steps.size(); ++i) {
    for (const auto& [name, value] : golden.at("steps")[i].items()) {
      EXPECT_NEAR(steps[i].at(name).get<double>() / value.get<double>(), 1, name == "grad_norm" ? 1e-4 : 1e-5)
          << name << " of step " << i + 1;
    }
  }
  ASSERT_EQ(evaluations.size(), golden.at("evaluations").size());
  for (size_t i = 0; i < evaluations.size(); ++i) {
    EXPECT_NEAR(evaluations[i].get<double>() / golden.at("evaluations")[i].get<double>(), 1, 1e-5);
  }
}

TEST(TinyRun, LongAudioIsCutDroppedOrRefusedAndCounted) {
  const Corpus corpus;
  const TemporaryFolder folder;
  const auto read = [&](const std::string& policy, data::LoadCounts& counts) {
    const TinyRun run(folder.path() / "run", {"data.long_audio=" + policy});
    data::Loader loader(run.data_set(run.config.data.train, true), {});
    std::map<std::string, double> seconds;
    while (const auto batch = loader.next()) {
      for (int64_t i = 0; i < batch->size(); ++i) {
        seconds[batch->keys[static_cast<size_t>(i)]] = batch->field("seconds").data[i].item<double>();
      }
    }
    counts = loader.counts();
    return seconds;
  };
  data::LoadCounts counts;
  testing::internal::CaptureStderr();
  const auto cut = read("truncate", counts);
  EXPECT_EQ(counts.truncated, 1);
  EXPECT_EQ(counts.samples, Corpus::kTrain);
  EXPECT_DOUBLE_EQ(cut.at("long"), 2);
  EXPECT_DOUBLE_EQ(cut.at("train0"), 0.5);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("epoch 0: 1 clips cut to data.max_seconds = 2 s"),
            std::string::npos);

  testing::internal::CaptureStderr();
  const auto dropped = read("drop", counts);
  EXPECT_EQ(counts.samples, Corpus::kTrain - 1);
  EXPECT_FALSE(dropped.contains("long"));
  EXPECT_NE(
      testing::internal::GetCapturedStderr().find("epoch 0: 1 clips left out, longer than data.max_seconds = 2 s"),
      std::string::npos);

  EXPECT_EQ(message_of([&] { read("error", counts); }),
            corpus.path("train.jsonl") +
                ":13: clip 'long' has 2.50 s, more than data.max_seconds = 2 (1 such clip); set data.long_audio to "
                "truncate or drop, or raise data.max_seconds");
}

}  // namespace
}  // namespace usam::test
