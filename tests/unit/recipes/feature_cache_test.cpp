// recipe.cache: the same losses, without reading what has been encoded.
#include "recipes/usam/feature_cache.h"

#include "data/loader.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

namespace fs = std::filesystem;
using test::operator+;
using test::TinyRun;

// Terms of each micro-batch as sums, and what was recalled.
struct Pass {
  std::vector<double> sums;
  data::LoadCounts counts;
};

class FeatureCacheTest : public testing::Test {
 protected:
  std::vector<std::string> overrides(const std::string& cache = "{}") const {
    return test::kNothingRandom + std::vector<std::string>{"recipe.cache=" + cache,
                                                           "recipe.cache.dir=" + (folder_.path() / "cache").string(),
                                                           "data.threads=0"};
  }
  static Pass pass(const TinyRun& run, int64_t batches = 1000, int64_t epoch = 0) {
    Pass all;
    run.recipe->train(false);
    const torch::NoGradGuard no_grad;
    data::Loader loader(run.data_set(run.config.data.train, true), {.start = {epoch, 0}});
    for (int64_t i = 0; i < batches; ++i) {
      const auto batch = loader.next();
      if (!batch) break;
      for (const auto& term : run.recipe->forward(*batch).terms) all.sums.push_back(term.sum.item<double>());
    }
    all.counts = loader.counts();
    return all;
  }
  static void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance = 1e-5) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance * std::max(1.0, std::abs(b[i]))) << i;
  }
  // Files of the same size and time that nobody can read.
  void damage_quietly() const {
    for (const auto& entry : fs::directory_iterator(corpus_.path(""))) {
      if (entry.path().extension() != ".wav") continue;
      const auto time = entry.last_write_time();
      const auto size = entry.file_size();
      std::ofstream(entry.path()) << std::string(size, 'x');
      fs::last_write_time(entry.path(), time);
    }
  }
  std::vector<fs::path> folders() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(folder_.path() / "cache")) all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    return all;
  }
  std::string run_folder() const { return (folder_.path() / "run").string(); }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_F(FeatureCacheTest, TheSecondPassReadsNothingAndComputesTheSame) {
  const auto without = pass(TinyRun(run_folder(), test::kNothingRandom));
  EXPECT_EQ(without.counts.recalled, 0);
  {
    const TinyRun run(run_folder(), overrides());
    const auto first = pass(run);
    EXPECT_EQ(first.counts.recalled, 0);
    EXPECT_EQ(first.counts.truncated, 1);
    expect_near(first.sums, without.sums, 0);  // the very same computation
    damage_quietly();
    const auto second = pass(run);
    EXPECT_EQ(second.counts.recalled, test::Corpus::kTrain);
    EXPECT_EQ(second.counts.truncated, 1);  // it is still said
    expect_near(second.sums, without.sums);
  }
  const auto folders_then = folders();
  EXPECT_EQ(folders_then.size(), 3U);
  const TinyRun again(run_folder(), overrides());  // another run
  testing::internal::CaptureStderr();
  const auto third = pass(again);
  EXPECT_EQ(third.counts.recalled, test::Corpus::kTrain);
  EXPECT_EQ(third.counts.skipped, 0);
  expect_near(third.sums, without.sums);
  EXPECT_EQ(folders(), folders_then);
  EXPECT_NE(testing::internal::GetCapturedStderr().find(
                "train.jsonl: epoch 0: 13 of 13 clips recalled, 0 read; recipe.cache holds "),
            std::string::npos);
}

TEST_F(FeatureCacheTest, BatchesOfKnownAndNewClips) {
  const std::vector<std::string> shuffled = {"data.shuffle=true"};
  const auto without = pass(TinyRun(run_folder(), test::kNothingRandom + shuffled));
  pass(TinyRun(run_folder(), overrides()), 4);  // the first eight rows, in order
  const auto with = pass(TinyRun(run_folder(), overrides() + shuffled));
  EXPECT_EQ(with.counts.recalled, 8);
  expect_near(with.sums, without.sums);
}

TEST_F(FeatureCacheTest, OneEncoderOfThree) {
  const auto without = pass(TinyRun(run_folder(), test::kNothingRandom));
  for (int i = 0; i < 2; ++i) {
    const auto with = pass(TinyRun(run_folder(), overrides("{encoders: [mert]}")));
    EXPECT_EQ(with.counts.recalled, 0);  // the others' audio is read
    expect_near(with.sums, without.sums);
  }
  EXPECT_EQ(folders().size(), 1U);
  // A run that keeps all has one of them already.
  const TinyRun run(run_folder(), overrides());
  expect_near(pass(run).sums, without.sums);
  EXPECT_EQ(pass(run).counts.recalled, test::Corpus::kTrain);
}

TEST_F(FeatureCacheTest, TrainedPartsBesideThemAreTrainedAlike) {
  const std::vector<std::string> steps = {"trainer.max_steps=8", "trainer.eval_every=4"};
  const auto losses = [&](const std::string& name, const std::vector<std::string>& with) {
    const TinyRun run(folder_.path() / name, with + steps);
    EXPECT_EQ(run.train(), Outcome::kFinished);
    return test::rows_of(folder_.path() / name / "metrics.jsonl");
  };
  const auto without = losses("without", test::kNothingRandom);
  const auto first = losses("first", overrides()), second = losses("second", overrides());
  ASSERT_EQ(without.size(), first.size());
  ASSERT_EQ(without.size(), second.size());
  for (size_t i = 0; i < without.size(); ++i) {
    for (const auto& [name, value] : without[i].items()) {
      if (!value.is_number_float()) continue;
      for (const auto& with : {first[i], second[i]})
        EXPECT_NEAR(with.at(name).get<double>(), value.get<double>(),
                    (name == "grad_norm" ? 1e-4 : 1e-5) * std::max(1.0, std::abs(value.get<double>())))
            << name << " of line " << i;
    }
  }
}

TEST_F(FeatureCacheTest, LowerTypesTakeHalf) {
  const auto without = pass(TinyRun(run_folder(), test::kNothingRandom));
  for (const char* type : {"fp16", "bf16"}) {
    const std::string cache = std::string("{dtype: ") + type + "}";
    const auto first = pass(TinyRun(run_folder(), overrides(cache)));
    const auto with = pass(TinyRun(run_folder(), overrides(cache)));
    EXPECT_EQ(with.counts.recalled, test::Corpus::kTrain);
    expect_near(with.sums, without.sums, 3e-2);
    EXPECT_NE(with.sums, without.sums);
    EXPECT_EQ(with.sums, first.sums);  // the pass that makes the entries sees what they hold
  }
  EXPECT_EQ(folders().size(), 6U);
}

TEST_F(FeatureCacheTest, IsKeyedByAllThatFramesDependOn) {
  pass(TinyRun(run_folder(), overrides()));
  const auto recalled = [&](const std::vector<std::string>& more) {
    return pass(TinyRun(run_folder(), overrides() + more)).counts.recalled;
  };
  EXPECT_EQ(recalled({}), 13);
  EXPECT_EQ(recalled({"data.max_seconds=1.5"}), 0);  // cut differently
  EXPECT_EQ(recalled({"seed=21"}), 0);               // other random weights
  EXPECT_EQ(recalled({"recipe.encoders.ced.bands=fold"}), 0);
  EXPECT_EQ(recalled({"recipe.encoders.mert.states=last"}), 0);
  EXPECT_EQ(recalled({"recipe.encoders.whisper.pad=30s"}), 0);
  EXPECT_EQ(recalled({"trainer.max_steps=3", "recipe.loss.saclm=null"}), 13);  // nothing that they depend on

  const fs::path wav = corpus_.path("train3.wav");
  const auto time = fs::last_write_time(wav);
  fs::last_write_time(wav, time + std::chrono::seconds(1));
  EXPECT_EQ(recalled({}), 12);  // one file has changed
  fs::last_write_time(wav, time);

  // The corpus lies elsewhere, its files are the same.
  const test::TemporaryFolder elsewhere;
  for (const auto& entry : fs::directory_iterator(corpus_.path(""))) {
    const fs::path to = elsewhere.path() / entry.path().filename();
    fs::copy_file(entry.path(), to);
    fs::last_write_time(to, entry.last_write_time());
  }
  setenv("USAM_CORPUS", elsewhere.path().c_str(), 1);
  EXPECT_EQ(recalled({}), 13);
}

// What a checkpoint laid over the encoders changes is another encoder.
TEST_F(FeatureCacheTest, ValuesLaidOverAreHashed) {
  pass(TinyRun(run_folder(), overrides()));
  const std::string name = "encoders.ced.init_bn.running_mean";
  const auto file = (folder_.path() / "over.safetensors").string();
  io::write_safetensors(file, {{name, torch::full({64}, 0.5)}});
  const auto with = pass(TinyRun(run_folder(), overrides() + std::vector<std::string>{"init_from=" + file}));
  EXPECT_EQ(with.counts.recalled, 0);
  EXPECT_EQ(folders().size(), 4U);  // ced's new one beside the three
}

TEST_F(FeatureCacheTest, WindowsAreKeptStitched) {
  const std::vector<std::string> windows = {
      "data.long_audio=window", "data.window={overlap: 0.5, max_seconds: 4, long_audio: error}", "data.max_seconds=1"};
  const auto without = pass(TinyRun(run_folder(), test::kNothingRandom + windows));
  EXPECT_GT(without.counts.windowed, 5);
  const TinyRun run(run_folder(), overrides() + windows);
  expect_near(pass(run, 3).sums, std::vector<double>(without.sums.begin(), without.sums.begin() + 15), 0);
  expect_near(pass(run).sums, without.sums);  // some of the clips are known
  damage_quietly();
  const auto with = pass(run);
  EXPECT_EQ(with.counts.recalled, test::Corpus::kTrain);
  EXPECT_EQ(with.counts.windowed, without.counts.windowed);
  expect_near(with.sums, without.sums);
}

}  // namespace
}  // namespace usam::recipes
