// Long recordings: what their windows' answers become.
#include "recipes/windows.h"

#include <malloc.h>

#include <fstream>

#include "recipes/evaluation.h"
#include "src/text/merge.h"
#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

using test::TinyRun;
using test::operator+;

// Rows of so many seconds.
class Rows final : public data::Source {
 public:
  explicit Rows(std::vector<double> seconds) : seconds_(std::move(seconds)) {}
  int64_t size() const override { return std::ssize(seconds_); }
  data::Row row(int64_t index) const override {
    data::Row row;
    row.key = "row" + std::to_string(index);
    row.task = index % 2 ? "SEC" : "ASR";
    row.seconds = seconds(index);
    return row;
  }
  double seconds(int64_t index) const override { return seconds_.at(static_cast<size_t>(index)); }
  std::string name() const override { return "rows"; }

 private:
  std::vector<double> seconds_;
};

Answer answered(int64_t row, const std::string& text, std::vector<double> scores = {}) {
  return {row, text, std::move(scores), {}};
}

class JoinAnswers : public testing::Test {
 protected:
  std::string joined(Joining joining, const std::vector<std::string>& texts) const {
    std::vector<Answer> parts;
    for (const auto& text : texts) parts.push_back(answered(std::ssize(parts), text));
    return *join_answers(std::move(parts), windows_, joining, {}).text;
  }
  data::WindowSource windows_{std::make_shared<Rows>(std::vector<double>{80, 10, 31}), 30, 5};
};

TEST_F(JoinAnswers, ByTheKindOfTheirTask) {
  EXPECT_EQ(joined(Joining::kText, {"one two three four", "three four five six", "five six seven"}),
            "one two three four five six seven");
  EXPECT_EQ(joined(Joining::kVote, {"dog", "cat", "cat"}), "cat");
  EXPECT_EQ(joined(Joining::kVote, {"dog", "cat", "bird"}), "dog");
  EXPECT_EQ(joined(Joining::kNumber, {"3.5", "4", "4.5"}), "4");
  EXPECT_EQ(joined(Joining::kNumber, {"1", "2", "2"}), "1.66667");
  EXPECT_EQ(joined(Joining::kNumber, {" 3", " 4", "no"}), "3.5");  // as tokens that begin a word are written
  EXPECT_EQ(joined(Joining::kNumber, {"", "2", "4-"}), "2");       // an answer that was cut is none
  EXPECT_EQ(joined(Joining::kNumber, {"", "-", ""}), "");
}

TEST_F(JoinAnswers, ByMeanScores) {
  const auto answer =
      join_answers({answered(0, "b", {0.25, 0.75}), answered(1, "a", {1, 0}), answered(2, "b", {0.25, 0.75})}, windows_,
                   Joining::kLikelihood, {"a", "b"});
  EXPECT_EQ(answer.row, 0);
  EXPECT_EQ(*answer.text, "a");
  EXPECT_EQ(answer.scores, (std::vector<double>{0.5, 0.5}));
  const auto tags =
      join_answers({{0, std::nullopt, {0, 1}, {}}, {1, std::nullopt, {1, 1}, {}}, {2, std::nullopt, {2, 1}, {}}},
                   windows_, Joining::kLikelihood, {"a", "b"});
  EXPECT_FALSE(tags.text.has_value());
  EXPECT_EQ(tags.scores, (std::vector<double>{1, 1}));
}

TEST_F(JoinAnswers, WhatExplainsThemIsPutInARow) {
  std::vector<Answer> parts;
  for (int64_t i = 0; i < 3; ++i) {
    std::vector<double> scores;  // one a second: when it stands in the recording
    for (int64_t t = 0; t < 30; ++t) scores.push_back(static_cast<double>(25 * i + t));
    parts.push_back(answered(i, ""));
    parts.back().explained = {{"seconds", 30}, {"gates", {i, 3}}, {"scores", scores}};
  }
  const Json all = join_answers(std::move(parts), windows_, Joining::kText, {}).explained;
  EXPECT_EQ(all.at("seconds"), 80);
  EXPECT_EQ(all.at("gates"), (Json{1, 3}));
  ASSERT_EQ(all.at("scores").size(), 80U);
  for (size_t t = 0; t < 80; ++t) EXPECT_EQ(all["scores"][t], static_cast<double>(t));
  EXPECT_FALSE(all.contains("kept"));
}

class WindowsTest : public testing::Test {
 protected:
  TinyRun tiny(const std::vector<std::string>& overrides = {}) const {
    TinyRun run(folder_.path() / "run", overrides);
    run.recipe->train(false);
    return run;
  }
  static std::vector<eval::Hypothesis> answers(const TinyRun& run) {
    return answer(*run.recipe, run.config.data.test, run.config).hypotheses;
  }
  std::string refusal(const std::vector<std::string>& overrides) const {
    return test::message_of([&] { test::tiny_config("run", overrides); });
  }
  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_F(WindowsTest, ConfigsThatCannotWorkAreRefused) {
  EXPECT_TRUE(
      refusal({"evaluate.window={seconds: 2, overlap: 2}"}).ends_with("`overlap` is 2, it must be below `seconds`, 2."))
      << refusal({"evaluate.window={seconds: 2, overlap: 2}"});
  EXPECT_TRUE(
      refusal({"evaluate.window={seconds: 3, overlap: 1}"})
          .ends_with("`evaluate.window.seconds` is 3, but clips above `data.max_seconds`, 2, are cut: lower it."))
      << refusal({"evaluate.window={seconds: 3, overlap: 1}"});
}

TEST_F(WindowsTest, ARecordingWithoutOneOfItsWindowsIsLeftOut) {
  const auto run = tiny();
  const data::WindowSource windows(std::make_shared<Rows>(std::vector<double>{80, 10, 31}), 30, 5);
  const auto joined =
      join_windows({answered(0, "a"), answered(2, "c"), answered(3, "d"), answered(4, "e"), answered(5, "e f")},
                   windows, run.config.evaluate, {}, *run.recipe);
  ASSERT_EQ(joined.size(), 2U);
  EXPECT_EQ(joined[0].row, 1);
  EXPECT_EQ(*joined[0].text, "d");
  EXPECT_EQ(joined[1].row, 2);
  EXPECT_EQ(*joined[1].text, "e f");
}

// Clips that are no longer than a window are answered as without windows; of longer ones each window as if it were a
// clip of its own.
TEST_F(WindowsTest, EachWindowIsAnsweredAsAClip) {
  const auto overrides = std::vector<std::string>{"evaluate.batch_rows=3"};
  const auto plain = answers(tiny(overrides));
  const auto run = tiny(overrides + std::vector<std::string>{"evaluate.window={seconds: 1, overlap: 0.25}"});
  const auto windowed = answers(run);
  ASSERT_EQ(windowed.size(), plain.size());

  const auto source = data::open_manifests(run.config.data.test);
  const data::WindowSource windows(source, 1, 0.25);
  std::ofstream manifest(folder_.path() / "parts.jsonl");
  for (int64_t i = 0; i < windows.size(); ++i) {
    const auto row = windows.row(i);
    const auto original = source->row(windows.original(i));
    manifest << Json{{"key", row.key},    {"wav", row.audio().path}, {"label", original.references.front()},
                     {"task", row.task},  {"tags", row.tags},        {"offset", row.audio().offset},
                     {"dur", row.seconds}}
             << "\n";
  }
  manifest.close();
  const auto parts =
      answers(tiny(overrides + std::vector<std::string>{"data.test=" + (folder_.path() / "parts.jsonl").string()}));
  ASSERT_EQ(std::ssize(parts), windows.size());

  int64_t cut = 0;
  for (int64_t i = 0, part = 0; i < source->size(); ++i) {
    const auto at = static_cast<size_t>(i);
    EXPECT_EQ(windowed[at].key, plain[at].key);
    EXPECT_EQ(windowed[at].references, plain[at].references);
    std::vector<text::WindowText> texts;
    std::map<std::string, double> scores;
    const auto count = windows.parts_of(i);
    for (int64_t k = 0; k < count; ++k, ++part) {
      const auto& one = parts[static_cast<size_t>(part)];
      texts.push_back({*one.answer, windows.seconds(part)});
      for (const auto& [tag, score] : one.scores) scores[tag] += score / static_cast<double>(count);
    }
    EXPECT_EQ(*windowed[at].answer, count == 1 ? *plain[at].answer : text::merge_windows(texts, 0.25))
        << windowed[at].key;
    ASSERT_EQ(windowed[at].scores.size(), scores.size());
    for (const auto& [tag, score] : scores) EXPECT_NEAR(windowed[at].scores.at(tag), score, 1e-5) << tag;
    cut += count > 1;
  }
  EXPECT_GT(cut, 1);
  EXPECT_LT(cut, source->size() - 1);
}

int64_t peak_megabytes() {
  std::ifstream status("/proc/self/status");
  int64_t kilobytes = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") status >> kilobytes;
  }
  return kilobytes / 1000;
}

// An hour takes no more memory than five minutes: as samples of 16 kHz alone it would be 230 MB. Without loader
// threads, whose memory comes and goes by chance, and with what is freed given back at once.
TEST_F(WindowsTest, AnHourInBoundedMemory) {
  mallopt(M_MMAP_THRESHOLD, 1 << 16);
  mallopt(M_TRIM_THRESHOLD, 1 << 16);
  const auto peak_of = [&](int minutes) {
    const test::WavFormat format{.rate = 2000};
    auto samples = test::sound(220, 60, format);
    std::vector<double> recording;
    for (int m = 0; m < minutes; ++m) recording.insert(recording.end(), samples.begin(), samples.end());
    test::write_wav(folder_.path() / "long.wav", recording, format);
    recording = {};
    folder_.write("long.jsonl", Json{{"key", "long"}, {"wav", "long.wav"}, {"label", "one"}, {"task", "ASR"}}.dump());
    const auto run = tiny({"data.test=" + (folder_.path() / "long.jsonl").string(), "data.max_seconds=30",
                           "evaluate.window={}", "evaluate.max_new_tokens=3", "data.threads=0",
                           "recipe.encoders={ced: {type: ced, init: random, layers: 1, width: 32, heads: 2}}"});
    std::ofstream("/proc/self/clear_refs") << 5;  // forgets the peak so far
    const auto all = answers(run);
    EXPECT_EQ(all.size(), 1U);
    EXPECT_FALSE(all.at(0).answer->empty());
    return peak_megabytes();
  };
  const int64_t short_peak = peak_of(5), long_peak = peak_of(60);
  RecordProperty("five_minutes_mb", std::to_string(short_peak));
  RecordProperty("hour_mb", std::to_string(long_peak));
  EXPECT_LT(long_peak, short_peak + 100) << "MB";
}

}  // namespace
}  // namespace usam::recipes
