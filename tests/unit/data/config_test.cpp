#include "data/config.h"

#include "src/base/config_yaml.h"
#include "tests/support.h"

namespace usam::data {
namespace {

struct Whole {
  DataConfig data;
};
void describe(Fields& f, Whole& c) {
  f("data", c.data, "data").required();
}

Whole load(const std::string& text, std::vector<std::string> overrides = {}) {
  const test::TemporaryFolder folder;
  Whole whole;
  load_config(folder.write("c.yaml", text), {std::move(overrides), true}, whole);
  return whole;
}

std::string refusal(const std::string& text) {
  std::string message = test::message_of([&] { load(text); });
  const auto colon = message.find(": ");
  return colon == std::string::npos ? message : message.substr(colon + 2);
}

TEST(DataConfig, TheSkeleton) {
  const DataConfig c = load(R"(
data:
  train: [{path: train.jsonl, weight: 0.5}, other.jsonl]
  valid: valid.jsonl
  test: [test.jsonl]
  batch: {seconds: 120}
  shuffle: true
  threads: 4
  on_error: fail
  max_skipped: 0.02
  long_audio: drop
  max_seconds: 20
  cache_memory: 100
  augment: {spec: {time_masks: 2}, speed: [0.9, 1, 1.1], gain_db: 6, tilt_db: 3, noise_db: [5, 30]}
)",
                            {"data.batch.rows=7"})
                           .data;
  ASSERT_EQ(c.valid.size(), 1u);
  EXPECT_EQ(std::filesystem::path(c.valid[0].path.value).filename(), "valid.jsonl");
  ASSERT_EQ(c.train.size(), 2u);
  EXPECT_EQ(c.train[0].weight, 0.5);
  EXPECT_EQ(c.train[1].weight, 1);
  EXPECT_EQ(c.batch.seconds, 120);
  EXPECT_EQ(c.batch.rows, 7);
  EXPECT_EQ(c.on_error, OnError::kFail);
  EXPECT_EQ(c.long_audio, LongAudio::kDrop);
  EXPECT_EQ(c.max_seconds, 20);
  EXPECT_EQ(c.cache_memory, 100);
  EXPECT_TRUE(c.augment.spec.is_on());
  EXPECT_EQ(c.augment.speed.size(), 3u);
  EXPECT_EQ(c.augment.noise_db->at(1), 30);
}

TEST(DataConfig, AugmentationIsOffByDefault) {
  const DataConfig c = load("data: {batch: {rows: 2}, long_audio: error}").data;
  EXPECT_FALSE(c.augment.changes_wave());
  EXPECT_FALSE(c.augment.spec.is_on());
}

TEST(DataConfig, Refusals) {
  EXPECT_NE(refusal("data: {batch: {rows: 2}}").find("long_audio"), std::string::npos);
  EXPECT_EQ(refusal("data: {batch: {rows: 2}, long_audio: window}"),
            "'data.long_audio: window' would part clips from their labels: choose error, drop or truncate; to "
            "answer long recordings in windows, set evaluate.window");
  EXPECT_EQ(refusal("data: {batch: {}, long_audio: drop}"), "'batch' needs 'seconds', 'rows' or both");
  EXPECT_EQ(refusal("data: {long_audio: drop}"), "'batch' needs 'seconds', 'rows' or both");
  EXPECT_EQ(refusal("data: {batch: {rows: 2}, long_audio: drop, augment: {noise_db: [20, 5]}}"),
            "'noise_db' must be a range [lowest, highest]");
  EXPECT_EQ(refusal("data: {batch: {rows: 2}, long_audio: drop, valid: [{path: a, weight: 2}]}"),
            "'valid' and 'test' take no 'weight': each of their rows is scored once");
  for (const char* wrong : {"max_skipped: 1.5", "threads: -1", "max_seconds: 0", "train: [{path: a, weight: 0}]",
                            "on_error: ignore", "augment: {speed: [0.1]}"}) {
    EXPECT_NE(refusal(std::string("data: {batch: {rows: 2}, long_audio: drop, ") + wrong + "}"), "") << wrong;
  }
}

}  // namespace
}  // namespace usam::data
