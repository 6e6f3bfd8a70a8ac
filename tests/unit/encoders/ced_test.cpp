#include "tests/unit/encoders/tiny.h"

namespace usam {
namespace {

using namespace test;

TEST(Ced, AClipIsTheSameAloneAndInABatch) {
  expect_batch_invariance(*tiny_ced(), {500, 1100, 16, 1012, 1020}, 20, -30);
  expect_batch_invariance(*tiny_ced(CedBands::kFold), {100, 1100, 33}, 20, -30);
}

TEST(Ced, TrainsWithoutNoiseAndWithoutBatchStatistics) {  // defect 16
  const auto encoder = tiny_ced();
  const auto mean = encoder->named_buffers()["init_bn.running_mean"].clone();
  expect_trains_without_noise(*encoder, noise({2, 1100, 64}, 1) * 20 - 30, torch::tensor({1100, 70}));
  EXPECT_TRUE(torch::equal(encoder->named_buffers()["init_bn.running_mean"], mean));
}

TEST(Ced, RandomValuesDependOnSeedAndNameOnly) {
  const auto first = tiny_ced();
  torch::manual_seed(77);
  expect_same_values(*first, *tiny_ced(), true);
  expect_same_values(*first, *tiny_ced(CedBands::kInterleave, 2), false);
}

TEST(Ced, RandomBatchNormFitsDecibels) {
  auto config = tiny<CedConfig>();
  EXPECT_EQ(make_ced(config, {})->named_buffers()["init_bn.running_mean"][63].item<double>(), -30);
  EXPECT_EQ(make_ced(config, {})->named_buffers()["init_bn.running_var"][63].item<double>(), 900);
  config.feature_mean = -10;
  config.feature_std = 5;
  EXPECT_EQ(make_ced(config, {})->named_buffers()["init_bn.running_mean"][0].item<double>(), -10);
  EXPECT_EQ(make_ced(config, {})->named_buffers()["init_bn.running_var"][0].item<double>(), 25);
}

// Tokens of a clip with `frames` frames as forward() counts them, against output_frames().
int64_t count(CedEncoder& encoder, int64_t frames) {
  const torch::NoGradGuard no_grad;
  const auto output = encoder.forward(noise({1, frames, 64}, 3), torch::tensor({frames}), false);
  const int64_t tokens = output.lengths_B.sum().item<int64_t>();
  for (const int64_t rest : {0, 159}) {
    EXPECT_EQ(encoder.output_frames((frames - 1) * 160 + rest), tokens) << frames << " frames";
  }
  return tokens;
}

TEST(Ced, ChunksWithoutAStepAreSkippedAndNoneIsDropped) {  // defect 25
  const auto encoder = tiny_ced();
  EXPECT_EQ(count(*encoder, 16), 4);
  EXPECT_EQ(count(*encoder, 31), 4);
  EXPECT_EQ(count(*encoder, 1011), 252);
  EXPECT_EQ(count(*encoder, 1012), 252);
  EXPECT_EQ(count(*encoder, 1027), 252);
  EXPECT_EQ(count(*encoder, 1028), 256);
  EXPECT_EQ(count(*encoder, 2024), 504);
  EXPECT_EQ(count(*encoder, 3036), 756);
  EXPECT_EQ(encoder->min_samples(), 2400);
  EXPECT_EQ(encoder->output_frames(encoder->min_samples()), 4);
  EXPECT_EQ(encoder->output_frames(encoder->min_samples() - 1), 0);
}

TEST(Ced, FoldPutsTheBandsOfAStepIntoOneToken) {
  const torch::NoGradGuard no_grad;
  const auto interleaved = tiny_ced(), folded = tiny_ced(CedBands::kFold);
  const auto features = noise({2, 1100, 64}, 4) * 20 - 30;
  const auto lengths = torch::tensor({1100, 90});
  const auto tokens = interleaved->forward(features, lengths, true), steps = folded->forward(features, lengths, true);
  EXPECT_EQ(folded->width(), 64);
  EXPECT_EQ(folded->hz(), 6.25);
  EXPECT_EQ(interleaved->width(), 16);
  EXPECT_EQ(interleaved->hz(), 25);
  for (size_t i = 0; i < tokens.states_BTD.size(); ++i)
    EXPECT_TRUE(torch::equal(tokens.states_BTD[i].reshape({2, -1, 64}), steps.states_BTD[i]));
  EXPECT_TRUE(torch::equal(steps.lengths_B, torch::tensor({68, 5})));
  EXPECT_EQ(folded->output_frames(1099 * 160), 68);
}

TEST(Ced, TokensComeInTimeOrder) {  // defect 4
  const torch::NoGradGuard no_grad;
  const auto encoder = tiny_ced();
  const auto quiet = torch::full({1, 160, 64}, -60.0), length = torch::tensor({160});
  auto loud = quiet.clone();
  loud.narrow(1, 7 * 16, 16).narrow(2, 2 * 16, 16).fill_(20);  // step 7, band 2
  const auto difference =
      (encoder->forward(loud, length, true).states_BTD[0] - encoder->forward(quiet, length, true).states_BTD[0])
          .abs()
          .sum(2);
  EXPECT_EQ(difference.argmax().item<int64_t>(), 4 * 7 + 2);
  EXPECT_EQ(difference.count_nonzero().item<int64_t>(), 1);
}

}  // namespace
}  // namespace usam
