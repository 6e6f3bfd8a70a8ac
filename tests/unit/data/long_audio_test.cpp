// data.long_audio: window, what a recipe remembers of clips, and rows with several recordings.
#include "data/loader.h"
#include "data/sources/windows.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::line;
using test_support::small_config;
using test_support::small_plan;
using test_support::tone;
using test_support::write_wav;

// A recipe that keeps the clips it was shown.
struct Shown {
  DataPlan plan = small_plan();
  std::map<std::string, Clip> clips;

  Shown() {
    plan.takes_windows = true;
    plan.make_example = [this](const Row& row, const Clip& clip) {
      clips[row.key] = clip;
      Example example = {{"mel", torch::zeros({1, 64})}, {"wave", torch::zeros({1})}};
      example["text"] = torch::zeros({1}, torch::kInt64);
      example["seconds"] = torch::tensor(clip.seconds);
      return example;
    };
  }
};

class LongClips : public testing::Test {
 protected:
  void SetUp() override {
    write_wav(folder_, "long.wav", tone(5, 300));
    write_wav(folder_, "short.wav", tone(2, 300));
    manifest_ = line("long", "long.wav", 5) + line("short", "short.wav", 2);
  }
  static DataConfig windows(double max_seconds, LongAudio policy) {
    DataConfig config = small_config(2);
    config.long_audio = LongAudio::kWindow;
    config.max_seconds = 2;
    config.window = WindowConfig{0.5, max_seconds, policy};
    return config;
  }
  std::shared_ptr<DataSet> data(const DataConfig& config, const DataPlan& plan, Use use = {7, false}) {
    return std::make_shared<DataSet>(Manifest::open(folder_.write("m.jsonl", manifest_)), plan, config, use);
  }
  static LoadCounts counts(std::shared_ptr<const DataSet> data) {
    Loader loader(std::move(data), {});
    while (loader.next()) {
    }
    return loader.counts();
  }
  test::TemporaryFolder folder_;
  std::string manifest_;
};

TEST(WindowStretches, CoverARecordingAndTheLastIsLongerThanTheOverlap) {
  for (double total = 0.1; total < 30; total += 0.37) {
    for (const double overlap : {0.0, 0.5, 1.9}) {
      const auto all = window_stretches(total, 2, overlap);
      EXPECT_EQ(all.front().offset, 0);
      EXPECT_NEAR(all.back().offset + all.back().seconds, total, 1e-9);
      for (size_t i = 1; i < all.size(); ++i) {
        EXPECT_EQ(all[i - 1].seconds, 2);
        EXPECT_NEAR(all[i - 1].offset + 2 - all[i].offset, overlap, 1e-9);
        EXPECT_GT(all[i].seconds, overlap);
      }
    }
  }
  EXPECT_EQ(window_stretches(2.005, 2, 1).size(), 1u);  // durations are rounded
}

TEST_F(LongClips, ClipsAboveOneWindowComeInWindows) {
  Shown shown;
  const LoadCounts all = counts(data(windows(6, LongAudio::kError), shown.plan));
  EXPECT_EQ(all.samples, 2);
  EXPECT_EQ(all.windowed, 1);
  EXPECT_EQ(all.truncated + all.too_long + all.misdeclared, 0);
  EXPECT_TRUE(shown.clips.at("short").windows.empty());
  EXPECT_FALSE(shown.clips.at("short").is_windowed);
  const Clip& clip = shown.clips.at("long");
  EXPECT_TRUE(clip.is_windowed);
  EXPECT_TRUE(clip.features.empty());
  EXPECT_DOUBLE_EQ(clip.seconds, 5);
  ASSERT_EQ(clip.windows.size(), 3u);

  // Each is what the part of the file is, read by itself.
  manifest_.clear();
  for (int w = 0; w < 3; ++w)
    manifest_ +=
        fmt::format(R"({{"key": "w{}", "wav": "long.wav", "label": "x", "task": "ASR", "offset": {}, "dur": 2}})"
                    "\n",
                    w, 1.5 * w);
  Shown alone;
  counts(data(small_config(1), alone.plan));
  for (size_t w = 0; w < 3; ++w) {
    const Clip &window = clip.windows[w], &part = alone.clips.at(fmt::format("w{}", w));
    EXPECT_DOUBLE_EQ(window.start, 1.5 * static_cast<double>(w));
    EXPECT_DOUBLE_EQ(window.seconds, 2);
    EXPECT_EQ(window.samples, part.samples);
    for (const auto& [name, features] : part.features)
      EXPECT_TRUE(torch::equal(window.features.at(name), features)) << name << " of window " << w;
  }
}

// Durations are rounded, but a model takes no window above its own length.
TEST_F(LongClips, TheLastWindowIsNoLongerThanTheOthers) {
  write_wav(folder_, "odd.wav", tone(5.005, 300));
  manifest_ = line("odd", "odd.wav", 5.005);
  Shown shown;
  counts(data(windows(6, LongAudio::kError), shown.plan));
  const Clip& clip = shown.clips.at("odd");
  EXPECT_DOUBLE_EQ(clip.seconds, 5.005);
  ASSERT_EQ(clip.windows.size(), 3U);
  for (const Clip& window : clip.windows) EXPECT_DOUBLE_EQ(window.seconds, 2);
}

TEST_F(LongClips, TheHardCapHasAPolicyOfItsOwn) {
  Shown shown;
  const LoadCounts cut = counts(data(windows(4, LongAudio::kTruncate), shown.plan));
  EXPECT_EQ(cut.truncated, 1);
  EXPECT_EQ(cut.windowed, 1);
  EXPECT_DOUBLE_EQ(shown.clips.at("long").seconds, 4);
  EXPECT_EQ(shown.clips.at("long").windows.size(), 3u);

  const auto dropped = data(windows(4, LongAudio::kDrop), shown.plan);
  EXPECT_EQ(counts(dropped).samples, 1);
  EXPECT_EQ(dropped->plan(0)->too_long(), 1);

  const std::string place = (folder_.path() / "m.jsonl").string() + ":1: ";
  EXPECT_EQ(test::message_of([&] { counts(data(windows(4, LongAudio::kError), shown.plan)); }),
            place +
                "clip 'long' has 5.00 s, more than data.window.max_seconds = 4 (1 such clip); set "
                "data.window.long_audio to truncate or drop, or raise data.window.max_seconds");
  manifest_ = line("long", "long.wav", 1);  // which its manifest hides
  EXPECT_EQ(
      test::message_of([&] { counts(data(windows(4, LongAudio::kError), shown.plan)); }),
      place + "sample 'long': " + (folder_.path() / "long.wav").string() +
          " holds more than data.window.max_seconds = 4; set data.window.long_audio to truncate or drop, or raise "
          "data.window.max_seconds");
}

// The whole clip counts: two of 5 s do not fit into 8 s, though their windows of 2 s would.
TEST_F(LongClips, TheBudgetCountsTheWholeClip) {
  manifest_ = line("a", "long.wav", 5) + line("b", "long.wav", 5);
  Shown shown;
  DataConfig config = windows(6, LongAudio::kError);
  config.batch = {};
  config.batch.seconds = 8;
  EXPECT_EQ(data(config, shown.plan)->plan(0)->size(), 2);
  config.batch.seconds = 10;
  EXPECT_EQ(data(config, shown.plan)->plan(0)->size(), 1);
}

TEST_F(LongClips, SpectrogramsAreMaskedInEveryWindow) {
  DataConfig config = windows(6, LongAudio::kError);
  Shown plain, masked;
  counts(data(config, plain.plan, {7, true}));
  config.augment.spec.frequency_masks = 2;
  config.augment.spec.frequency_width = 30;
  counts(data(config, masked.plan, {7, true}));
  for (size_t w = 0; w < 3; ++w) {
    const Clip &a = plain.clips.at("long").windows[w], &b = masked.clips.at("long").windows[w];
    EXPECT_FALSE(torch::equal(a.features.at("mel"), b.features.at("mel"))) << w;
    EXPECT_TRUE(torch::equal(a.features.at("wave"), b.features.at("wave"))) << w;
  }
}

TEST_F(LongClips, ARecipeMayTakeNoWindows) {
  EXPECT_EQ(test::message_of([&] { data(windows(4, LongAudio::kDrop), small_plan()); }),
            "This recipe takes no clips of several windows: set data.long_audio to error, drop or truncate.");
}

// Rows as a dialect with several recordings gives them.
class TwoAudios final : public Source {
 public:
  explicit TwoAudios(std::shared_ptr<const Source> source) : source_(std::move(source)) {}
  int64_t size() const override { return source_->size(); }
  double seconds(int64_t index) const override { return source_->seconds(index); }
  std::string name() const override { return source_->name(); }
  Row row(int64_t index) const override {
    Row row = source_->row(index);
    if (index == 0) row.audios.push_back(row.audio());
    return row;
  }

 private:
  std::shared_ptr<const Source> source_;
};

TEST_F(LongClips, ASampleOfSeveralAudiosIsSkipped) {
  Shown shown;
  const auto source = std::make_shared<TwoAudios>(Manifest::open(folder_.write("m.jsonl", manifest_)));
  DataConfig config = small_config(2);
  Loader loader(std::make_shared<DataSet>(source, shown.plan, config, Use{7, false}), {});
  const auto batch = loader.next();
  EXPECT_EQ(batch->keys, std::vector<std::string>{"short"});
  ASSERT_EQ(batch->skipped.size(), 1u);
  EXPECT_EQ(batch->skipped[0].key, "long");
  EXPECT_EQ(batch->skipped[0].reason, "the sample has 2 audios, the recipe takes one");
}

// A recipe that remembers one clip in full and of the other a stream.
class Memory final : public ClipMemory {
 public:
  void begin_pass() override { ++passes; }
  bool recall(const Row& row, const std::string& how, Clip& clip) const override {
    asked = how;
    clip.key = ClipKey{1, row.line};
    clip.recalled["wave"] = torch::ones({3});
    if (row.key != "long") return false;
    clip.recalled["mel"] = torch::ones({2});
    clip.seconds = 4.5;
    clip.is_truncated = true;
    return true;
  }
  std::string summary() const override { return "so much"; }
  int passes = 0;
  mutable std::string asked;
};

TEST_F(LongClips, WhatTheRecipeRemembersIsNotRead) {
  std::filesystem::remove(folder_.path() / "long.wav");
  folder_.write("long.wav", "this is no audio");
  Shown shown;
  const auto memory = std::make_shared<Memory>();
  shown.plan.memory = memory;
  testing::internal::CaptureStderr();
  DataConfig config = small_config(2);
  config.max_seconds = 10;
  const LoadCounts all = counts(data(config, shown.plan));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("epoch 0: 1 of 2 clips recalled, 1 read; so much\n"), std::string::npos) << log;
  EXPECT_EQ(all.samples, 2);
  EXPECT_EQ(all.recalled, 1);
  EXPECT_EQ(all.truncated, 1);
  EXPECT_EQ(all.skipped, 0);
  EXPECT_EQ(memory->passes, 1);
  const Clip &known = shown.clips.at("long"), &read = shown.clips.at("short");
  EXPECT_DOUBLE_EQ(known.seconds, 4.5);
  EXPECT_TRUE(known.features.empty());
  EXPECT_EQ(known.recalled.size(), 2u);
  EXPECT_EQ(read.features.size(), 2u);
  EXPECT_EQ(read.recalled.size(), 1u);
  EXPECT_EQ(*read.key, (ClipKey{1, 2}));
  // How clips are cut is part of what they are.
  const std::string before = memory->asked;
  config.max_seconds = 11;
  counts(data(config, shown.plan));
  EXPECT_NE(memory->asked, before);
}

}  // namespace
}  // namespace usam::data
