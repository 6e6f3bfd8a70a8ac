#include "data/augment/augmenter.h"
#include "data/augment/mix.h"
#include "data/augment/spec_augment.h"
#include "tests/support.h"

namespace usam::data {
namespace {

TEST(SpecAugment, MasksWithTheMeanInsideTheClipOnly) {
  SpecAugmentConfig config;
  config.time_masks = 2;
  config.time_width = 40;
  config.frequency_masks = 1;
  config.frequency_width = 12;
  torch::manual_seed(0);
  const torch::Tensor input_TF = torch::randn({300, 64});
  const torch::Tensor copy_TF = input_TF.clone();
  int64_t most_rows = 0, most_bands = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const torch::Tensor masked_TF = spec_augment(input_TF, 200, config, DrawKey(seed));
    EXPECT_TRUE(torch::equal(masked_TF.slice(0, 200), input_TF.slice(0, 200)));
    const torch::Tensor changed_TF = (masked_TF != input_TF).slice(0, 0, 200);
    const double mean = input_TF.slice(0, 0, 200).mean().item<double>();
    if (changed_TF.any().item<bool>())
      EXPECT_NEAR((masked_TF.slice(0, 0, 200).masked_select(changed_TF) - mean).abs().max().item<double>(), 0, 1e-6);
    const int64_t rows = changed_TF.all(1).sum().item<int64_t>(), bands = changed_TF.all(0).sum().item<int64_t>();
    EXPECT_LE(rows, 80);
    EXPECT_LE(bands, 12);
    most_rows = std::max(most_rows, rows);
    most_bands = std::max(most_bands, bands);
  }
  EXPECT_GT(most_rows, 50);
  EXPECT_EQ(most_bands, 12);
  EXPECT_TRUE(torch::equal(input_TF, copy_TF));
}

TEST(SpecAugment, DependsOnTheKeyAndSparesShortClips) {
  SpecAugmentConfig config;
  config.time_masks = 1;
  const torch::Tensor input_TF = torch::randn({50, 8});
  EXPECT_TRUE(
      torch::equal(spec_augment(input_TF, 50, config, DrawKey(1)), spec_augment(input_TF, 50, config, DrawKey(1))));
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const torch::Tensor masked_TF = spec_augment(input_TF, 50, config, DrawKey(seed));
    EXPECT_LE((masked_TF != input_TF).any(1).sum().item<int64_t>(), 10);  // a fifth
  }
}

TEST(Augmenter, Speed) {
  AugmentConfig config;
  EXPECT_EQ(Augmenter(config, nullptr).draw_speed("ASR", 1, 30, DrawKey(0)), 1);
  config.speed = {0.9, 1.1};
  std::map<double, int> drawn;
  for (uint64_t seed = 0; seed < 100; ++seed)
    ++drawn[Augmenter(config, nullptr).draw_speed("ASR", 1, 30, DrawKey(seed))];
  EXPECT_EQ(drawn.size(), 2u);
  EXPECT_GT(drawn[0.9], 30);
  config.speed = {0.5};
  EXPECT_EQ(Augmenter(config, nullptr).draw_speed("ASR", 20, 30, DrawKey(0)), 1);  // 40 s would be too long
  config.speed_tasks = {"ASR"};
  EXPECT_EQ(Augmenter(config, nullptr).draw_speed("ASR", 1, 30, DrawKey(0)), 0.5);
  EXPECT_EQ(Augmenter(config, nullptr).draw_speed("MC", 1, 30, DrawKey(0)), 1);
}

TEST(Augmenter, GainStaysInItsRange) {
  AugmentConfig config;
  config.gain_db = 6;
  double lowest = 9, highest = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const double gain =
        Augmenter(config, nullptr).change(torch::ones({4}), 16000, "ASR", DrawKey(seed))[0].item<double>();
    lowest = std::min(lowest, gain);
    highest = std::max(highest, gain);
  }
  EXPECT_NEAR(lowest, std::pow(10, -0.3), 0.03);
  EXPECT_NEAR(highest, std::pow(10, 0.3), 0.06);
}

// Two tones of equal level: the higher one gains or loses as drawn, by what the filter's formula says.
TEST(Augmenter, TiltMovesHighAgainstLow) {
  AugmentConfig config;
  config.tilt_db = 12;
  const Augmenter augment(config, nullptr);
  const auto n = torch::arange(16000, torch::kFloat32);
  const auto low = torch::sin(2 * M_PI * 0.001 * n), high = torch::sin(2 * M_PI * 0.499 * n);
  double least = 0, most = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    const auto level = [&](const torch::Tensor& x) {
      return 10 * std::log10(mean_power(augment.change(x, 16000, "ASR", draw_key(i, "tilt"))));
    };
    const double slope = level(high) - level(low);
    least = std::min(least, slope);
    most = std::max(most, slope);
  }
  EXPECT_GT(least, -12.1);
  EXPECT_LT(least, -8);
  EXPECT_LT(most, 12.1);
  EXPECT_GT(most, 8);
}

TEST(Augmenter, NoiseHasItsLevel) {
  AugmentConfig config;
  config.noise_db = std::vector<double>{10, 10};
  const Augmenter augment(config, nullptr);
  const torch::Tensor wave = torch::sin(torch::arange(16000) * 0.1);
  double low_share_least = 1, low_share_most = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const torch::Tensor noise = augment.change(wave, 16000, "ASR", DrawKey(seed)) - wave;
    EXPECT_NEAR(10 * std::log10(mean_power(wave) / mean_power(noise)), 10, 0.01);
    const torch::Tensor power = torch::fft::rfft(noise).abs().square();
    const double low = (power.slice(0, 0, 800).sum() / power.sum()).item<double>();
    low_share_least = std::min(low_share_least, low);
    low_share_most = std::max(low_share_most, low);
  }
  EXPECT_NEAR(low_share_least, 0.1, 0.03);  // white
  EXPECT_GT(low_share_most, 0.6);           // pink
  EXPECT_TRUE(torch::equal(augment.change(torch::zeros({100}), 16000, "ASR", DrawKey(0)), torch::zeros({100})));
}

}  // namespace
}  // namespace usam::data
