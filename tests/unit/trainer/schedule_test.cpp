#include "trainer/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace usam {
namespace {

// transformers.optimization, _get_cosine_schedule_with_warmup_lr_lambda and its kin, written out.
double warm(int64_t step, int64_t warmup) {
  return static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, warmup));
}
double cosine(int64_t step, int64_t warmup, int64_t total) {
  if (step < warmup) return warm(step, warmup);
  const double progress =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<int64_t>(1, total - warmup));
  return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * 0.5 * 2.0 * progress)));
}
double linear(int64_t step, int64_t warmup, int64_t total) {
  if (step < warmup) return warm(step, warmup);
  return std::max(0.0, static_cast<double>(total - step) / static_cast<double>(std::max<int64_t>(1, total - warmup)));
}

TEST(Schedule, WarmUpIsAShareRoundedUpOrANumberOfSteps) {
  EXPECT_EQ(warmup_steps(0.13, 100), 13);
  EXPECT_EQ(warmup_steps(0.13, 101), 14);
  EXPECT_EQ(warmup_steps(0, 100), 0);
  EXPECT_EQ(warmup_steps(1, 100), 1);
  EXPECT_EQ(warmup_steps(250, 100), 250);
}

TEST(Schedule, FollowsTheFormulasOfTransformers) {
  for (const double share : {0.0, 0.13, 5.0})
    for (const int64_t total : {1, 7, 100}) {
      const auto cosine_ours = cosine_schedule({.warmup = share, .min_ratio = 0});
      const auto linear_ours = linear_schedule({.warmup = share, .min_ratio = 0});
      const auto constant_ours = constant_schedule({.warmup = share});
      const int64_t warmup = share < 1 ? static_cast<int64_t>(std::ceil(share * static_cast<double>(total))) : 5;
      for (int64_t step = 0; step < total; ++step) {
        EXPECT_NEAR(cosine_ours->factor(step, total), cosine(step, warmup, total), 1e-15);
        EXPECT_NEAR(linear_ours->factor(step, total), linear(step, warmup, total), 1e-15);
        EXPECT_NEAR(constant_ours->factor(step, total), step < warmup ? warm(step, warmup) : 1, 1e-15);
      }
    }
}

// Printed by transformers 5.23 for get_cosine_schedule_with_warmup(13, 100).
TEST(Schedule, KnownCosineValues) {
  const auto schedule = cosine_schedule({.warmup = 0.13, .min_ratio = 0});
  EXPECT_EQ(schedule->factor(0, 100), 0);
  EXPECT_DOUBLE_EQ(schedule->factor(1, 100), 1.0 / 13);
  EXPECT_DOUBLE_EQ(schedule->factor(13, 100), 1);
  EXPECT_NEAR(schedule->factor(50, 100), 0.6162837277871552, 1e-12);
  EXPECT_NEAR(schedule->factor(99, 100), 0.0003259523051615254, 1e-12);
}

TEST(Schedule, EndsAtTheMinimumRatio) {
  EXPECT_NEAR(cosine_schedule({.warmup = 0, .min_ratio = 0.1})->factor(100, 100), 0.1, 1e-15);
  EXPECT_NEAR(linear_schedule({.warmup = 0, .min_ratio = 0.1})->factor(100, 100), 0.1, 1e-15);
  EXPECT_NEAR(linear_schedule({.warmup = 0, .min_ratio = 0.1})->factor(50, 100), 0.55, 1e-15);
}

}  // namespace
}  // namespace usam
