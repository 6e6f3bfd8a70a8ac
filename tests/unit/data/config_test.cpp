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

std::string augment_refusal(const std::string& augment) {
  return refusal("data: {batch: {rows: 2}, long_audio: drop, augment: {" + augment + "}}");
}

TEST(DataConfig, AugmentationByRecordings) {
  const AugmentConfig c = load(R"(
data:
  batch: {rows: 2}
  long_audio: drop
  augment:
    noise: {manifest: n.jsonl, snr_db: [5, 20], probability: 0.5, tasks: ASR}
    music: [{manifest: a.jsonl, snr_db: [0, 10]}, {manifest: b.jsonl, snr_db: [10, 10]}]
    reverb: {manifest: rooms.jsonl, probability: 0.25, tasks: [ASR, AAC]}
    crop: {seconds: [3, 5], tasks: [SEC, MC]}
    recordings_memory: 12
)")
                              .data.augment;
  ASSERT_EQ(c.noise.size(), 1u);
  EXPECT_EQ(std::filesystem::path(c.noise[0].manifest.value).filename(), "n.jsonl");
  EXPECT_EQ(c.noise[0].snr_db, (std::vector<double>{5, 20}));
  EXPECT_EQ(c.noise[0].probability, 0.5);
  EXPECT_EQ(c.noise[0].tasks, std::vector<std::string>{"ASR"});
  ASSERT_EQ(c.music.size(), 2u);
  EXPECT_EQ(c.music[1].probability, 1);
  EXPECT_EQ(c.reverb->probability, 0.25);
  EXPECT_EQ(c.crop->seconds, (std::vector<double>{3, 5}));
  EXPECT_EQ(c.recordings_memory, 12);
  EXPECT_EQ(c.named_tasks(), (std::vector<std::string>{"AAC", "ASR", "MC", "SEC"}));
  AugmentConfig alone;
  for (const auto& set : {+[](AugmentConfig& a) { a.crop = CropConfig(); }, +[](AugmentConfig& a) { a.noise = {{}}; },
                          +[](AugmentConfig& a) { a.reverb = ReverbConfig(); },
                          +[](AugmentConfig& a) { a.music = {{}}; }, +[](AugmentConfig& a) { a.speed = {1.1}; }}) {
    alone = {};
    set(alone);
    EXPECT_TRUE(alone.changes_wave());
  }
}

TEST(DataConfig, AugmentationRefusals) {
  EXPECT_EQ(augment_refusal("crop: {seconds: [1, 2], tasks: [SEC, ASR]}"),
            "'crop' is refused for the task ASR: its label is all that is said in the clip, and would no longer fit a "
            "part of it");
  EXPECT_EQ(augment_refusal("crop: {seconds: [1, 2], tasks: []}"),
            "'crop' needs 'tasks': those whose labels fit any stretch of their clips");
  EXPECT_EQ(augment_refusal("crop: {seconds: [2, 1], tasks: [SEC]}"),
            "'seconds' of 'crop' must be a range [shortest, longest]");
  EXPECT_EQ(augment_refusal("noise: {manifest: a, snr_db: [5]}"), "'snr_db' must be a range [lowest, highest]");
  EXPECT_EQ(augment_refusal("noise_db: [20, 5]"), "'noise_db' must be a range [lowest, highest]");
  EXPECT_EQ(augment_refusal("speed_tasks: [ASR]"), "'speed_tasks' needs 'speed'");
  EXPECT_NE(augment_refusal("crop: {seconds: [1, 2]}").find("tasks"), std::string::npos);
  EXPECT_NE(augment_refusal("noise: {snr_db: [5, 6]}").find("manifest"), std::string::npos);
  EXPECT_NE(augment_refusal("music: {manifest: a}").find("snr_db"), std::string::npos);
  for (const char* wrong : {"reverb: {manifest: a, probability: 1.5}", "noise: {manifest: a, snr_db: [-50, 0]}",
                            "speed: [0.1]", "recordings_memory: -1", "crop: {seconds: [0, 1], tasks: SEC}"})
    EXPECT_NE(augment_refusal(wrong), "") << wrong;
}

TEST(DataConfig, AugmentationIsOffByDefault) {
  const DataConfig c = load("data: {batch: {rows: 2}, long_audio: error}").data;
  EXPECT_FALSE(c.augment.changes_wave());
  EXPECT_FALSE(c.augment.spec.is_on());
}

TEST(DataConfig, Refusals) {
  EXPECT_NE(refusal("data: {batch: {rows: 2}}").find("long_audio"), std::string::npos);
  EXPECT_EQ(refusal("data: {batch: {}, long_audio: drop}"),
            "'batch' needs 'seconds', 'tokens', 'rows' or several of them");
  for (const char* boundless : {"seconds: .inf", "tokens: 1000000000000000000"})
    EXPECT_NE(refusal(fmt::format("data: {{batch: {{{}}}, long_audio: drop}}", boundless)).find("at most"),
              std::string::npos);
  EXPECT_EQ(refusal("data: {long_audio: drop}"), "'batch' needs 'seconds', 'tokens', 'rows' or several of them");
  EXPECT_EQ(refusal("data: {batch: {rows: 2}, long_audio: drop, augment: {noise_db: [20, 5]}}"),
            "'noise_db' must be a range [lowest, highest]");
  EXPECT_EQ(refusal("data: {batch: {rows: 2}, long_audio: drop, valid: [{path: a, weight: 2}]}"),
            "'valid' and 'test' take no 'weight': each of their rows is scored once");
  for (const char* wrong : {"max_skipped: 1.5", "threads: -1", "max_seconds: 0", "train: [{path: a, weight: 0}]",
                            "on_error: ignore", "augment: {speed: [0.1]}"}) {
    EXPECT_NE(refusal(std::string("data: {batch: {rows: 2}, long_audio: drop, ") + wrong + "}"), "") << wrong;
  }
}

TEST(DataConfig, Windows) {
  const std::string begin = "data: {batch: {rows: 2}, max_seconds: 10, long_audio: window";
  const DataConfig c = load(begin + ", window: {max_seconds: 60, long_audio: drop}}").data;
  EXPECT_EQ(c.window->overlap, 2);
  EXPECT_EQ(length_limit(c).seconds, 60);
  EXPECT_EQ(length_limit(c).policy, LongAudio::kDrop);
  EXPECT_EQ(length_limit(c).prefix, "data.window.");
  const DataConfig without = load("data: {batch: {rows: 2}, max_seconds: 10, long_audio: error}").data;
  EXPECT_EQ(length_limit(without).seconds, 10);
  EXPECT_EQ(length_limit(without).policy, LongAudio::kError);
  EXPECT_EQ(length_limit(without).prefix, "data.");

  EXPECT_EQ(refusal(begin + "}"),
            "'data.long_audio: window' needs 'data.window: {max_seconds: ..., long_audio: ...}', the longest clip and "
            "what to do with longer ones");
  EXPECT_EQ(refusal("data: {batch: {rows: 2}, long_audio: drop, window: {max_seconds: 60, long_audio: drop}}"),
            "'data.window' is for 'data.long_audio: window': remove it or set that");
  EXPECT_EQ(refusal(begin + ", window: {max_seconds: 60, long_audio: drop, overlap: 10}}"),
            "'data.window.overlap' is 10, but windows have 'data.max_seconds', 10: lower it");
  EXPECT_EQ(refusal(begin + ", window: {max_seconds: 10, long_audio: drop}}"),
            "'data.window.max_seconds' is 10, but a window alone has 'data.max_seconds', 10: raise it");
  EXPECT_NE(refusal(begin + ", window: {max_seconds: 60}}").find("long_audio"), std::string::npos);
  EXPECT_NE(refusal(begin + ", window: {max_seconds: 60, long_audio: window}}").find("window"), std::string::npos);
}

TEST(DataConfig, BlendsAndCurricula) {
  const std::string head = "data: {batch: {rows: 2}, long_audio: drop, ";
  EXPECT_EQ(load(head + "train: [a.jsonl, b.jsonl], blend: {temperature: 5}}").data.blend.temperature, 5);
  const DataConfig c =
      load(head + "train: [a, b], curriculum: [{until_step: 9, weights: [1, 0]}, {weights: [1, 0.5]}]}").data;
  EXPECT_EQ(c.curriculum.at(0).until_step, 9);
  EXPECT_EQ(c.curriculum.at(1).weights, (std::vector<double>{1, 0.5}));
  EXPECT_EQ(refusal(head + "train: [{path: a, weight: 2}, b], blend: {temperature: 5}}"),
            "'data.blend.temperature' makes the weights of 'data.train': give no 'weight' there, or no temperature");
  EXPECT_EQ(refusal(head + "train: [a, b], blend: {temperature: 5}, curriculum: [{weights: [1, 0]}]}"),
            "'data.curriculum' gives the weights of 'data.train': give no 'weight' there and no 'data.blend'");
  EXPECT_EQ(refusal(head + "train: [a, b], curriculum: [{weights: [0, 0]}]}"),
            "phase 1 of 'curriculum' has no weight above 0: nothing would be seen in it");
}

TEST(DataConfig, QuadraticTermsBelongToABudget) {
  const BudgetConfig c =
      load("data: {batch: {tokens: 4000, quadratic_tokens: 900, seconds: 60, quadratic_seconds: 15}, long_audio: drop}")
          .data.batch;
  EXPECT_EQ(c.tokens, 4000);
  EXPECT_EQ(c.quadratic_tokens, 900);
  EXPECT_EQ(c.quadratic_seconds, 15);
  EXPECT_EQ(refusal("data: {batch: {rows: 2, quadratic_seconds: 15}, long_audio: drop}"),
            "'batch.quadratic_seconds' needs 'batch.seconds'");
  EXPECT_EQ(refusal("data: {batch: {rows: 2, quadratic_tokens: 15}, long_audio: drop}"),
            "'batch.quadratic_tokens' needs 'batch.tokens'");
}

TEST(DataConfig, FormatsAndWhereDataIs) {
  const DataConfig c = load(R"(
data:
  train: [{path: a.json, format: salmonn, task: ASR, prompt: "?<audio>", tasks: {asr: ASR}, audio_root: /tmp, prefix: {/a: /b}}]
  index_dir: /tmp/indices
  batch: {rows: 2}
  long_audio: drop
)")
                           .data;
  EXPECT_EQ(c.train.at(0).format, "salmonn");
  EXPECT_EQ(c.train[0].task, "ASR");
  EXPECT_EQ(c.train[0].tasks.at("asr"), "ASR");
  EXPECT_EQ(c.train[0].audio_root.value, "/tmp");
  EXPECT_EQ(c.train[0].prefix.at("/a"), "/b");
  EXPECT_EQ(c.index_dir.value, "/tmp/indices");
  EXPECT_TRUE(refusal("data: {batch: {rows: 2}, long_audio: drop, train: [{path: a, format: nemmo}]}")
                  .starts_with("there is no format 'nemmo', did you mean 'nemo'?; formats are: auto, usam, slam, "));
}

}  // namespace
}  // namespace usam::data
