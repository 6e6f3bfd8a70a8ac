#include "recipes/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

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

TEST(Figures, WhatIsNotDefinedHasAName) {
  const auto all = figures({{"tasks", {{"MC", {{"map", nullptr}}}}}});
  EXPECT_TRUE(std::isnan(all.at("MC/map")));
  EXPECT_EQ(all.count("tasks/error"), 0U);
}

TEST(Figures, NoTaskWithAMetricHasNoMeanError) {
  EXPECT_EQ(figures({{"tasks", {{"other", {{"n", 3}}}}}}).count("tasks/error"), 0U);
}

}  // namespace
}  // namespace usam::recipes
