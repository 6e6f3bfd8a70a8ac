#include "recipes/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/train/tiny_run.h"

namespace usam::recipes {
namespace {

TEST(Figures, NameTaskAndMetricAndTheMeanError) {
  const Json report = {{"tasks",
                        {{"ASR", {{"wer", 0.25}, {"cer", 0.1}, {"majority", {{"wer", 0.9}}}}},
                         {"SEC", {{"accuracy", 0.5}, {"n", 4}}},
                         {"MC", {{"bleu", 0.1}, {"accuracy", 0.0}, {"map", 0.75}}},
                         {"S2TT", {{"bleu", 0.5}}},
                         {"other", {{"n", 3}}}}}};
  const auto all = figures(report);
  EXPECT_EQ(all.at("ASR/wer"), 0.25);
  EXPECT_EQ(all.at("SEC/n"), 4);
  EXPECT_EQ(all.count("ASR/majority"), 0U);
  EXPECT_DOUBLE_EQ(all.at("tasks/error"), (0.25 + 0.5 + 0.25 + 0.5) / 4);
}

TEST(Figures, ATaskIsNeverWorseThanAllWrong) {
  EXPECT_EQ(figures({{"tasks", {{"ASR", {{"wer", 3.5}}}}}}).at("tasks/error"), 1);
}

TEST(Figures, OfACaptionCountsWhatComesNear) {
  const auto error_of = [](const Json& metrics) { return figures({{"tasks", {{"T", metrics}}}}).at("tasks/error"); };
  EXPECT_EQ(error_of({{"bleu", 0.25}, {"rouge_l", 0.5}, {"accuracy", 0.0}}), 0.75);
  EXPECT_EQ(error_of({{"wer", 1.5}, {"accuracy", 0.0}, {"map", 0.75}}), 0.25);
  EXPECT_EQ(error_of({{"cer", 0.125}}), 0.125);
}

TEST(Figures, WhatIsNotDefinedHasAName) {
  const auto all = figures({{"tasks", {{"MC", {{"map", nullptr}}}}}});
  EXPECT_TRUE(std::isnan(all.at("MC/map")));
  EXPECT_EQ(all.count("tasks/error"), 0U);
}

TEST(Figures, NoTaskWithAMetricHasNoMeanError) {
  EXPECT_EQ(figures({{"tasks", {{"other", {{"n", 3}}}}}}).count("tasks/error"), 0U);
}

// What usam-eval records of the test sets.
class Origin : public testing::Test {
 protected:
  Origin() { folder_.write("manifest.json", "{}"); }
  std::string of(const std::string& test) const {
    const auto config = test::tiny_config(path("run"), {"data.test=" + test});
    return answers_origin(folder_.path(), config, false).at("the test sets");
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  void expect_follows(const std::string& test, const std::string& file) const {
    const std::string before = of(test);
    EXPECT_EQ(of(test), before);
    std::ofstream(path(file), std::ios::app) << "more\n";
    EXPECT_NE(of(test), before) << file;
  }

  test::Corpus corpus_;
  test::TemporaryFolder folder_;
};

TEST_F(Origin, FollowsTheFilesOfAFolder) {
  std::filesystem::create_directory(path("kaldi"));
  for (const char* name : {"kaldi/wav.scp", "kaldi/text"}) folder_.write(name, "a b\n");
  expect_follows(path("kaldi"), "kaldi/text");
  std::filesystem::create_directory(path("shar"));
  for (const char* name : {"shar/cuts.000000.jsonl.gz", "shar/recording.000000.tar"}) folder_.write(name, "x");
  expect_follows(path("shar"), "shar/recording.000000.tar");
  expect_follows(path("shar") + "/", "shar/cuts.000000.jsonl.gz");
}

TEST_F(Origin, FollowsTheShardsOfAPattern) {
  for (const char* name : {"t-0.tar", "t-1.tar", "t-2.tar"}) folder_.write(name, "x");
  expect_follows("'" + path("t-{0..1}.tar") + "'", "t-1.tar");
  expect_follows("'" + path("t-*.tar") + "'", "t-2.tar");
  folder_.write("m.jsonl", "{}\n");
  expect_follows("{path: " + path("m.jsonl") + ", format: nemo_tarred, tars: '" + path("t-{0..2}.tar") + "'}",
                 "t-0.tar");
}

// A terabyte would take an hour.
TEST_F(Origin, ReadsSamplesOfLargeFiles) {
  folder_.write("t-0.tar", "x");
  std::filesystem::resize_file(path("t-0.tar"), uintmax_t{1} << 40);
  expect_follows("'" + path("t-{0..0}.tar") + "'", "t-0.tar");
}

// The same rows elsewhere, or written again, are the same test set.
TEST_F(Origin, OfAManifestIsWhatItHolds) {
  const std::string here = folder_.write("here.jsonl", "{}\n"), there = folder_.write("there.jsonl", "{}\n");
  EXPECT_EQ(of(here), of(there));
  expect_follows(here, "here.jsonl");
}

}  // namespace
}  // namespace usam::recipes
