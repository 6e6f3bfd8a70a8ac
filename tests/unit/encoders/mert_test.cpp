#include "tests/unit/encoders/tiny.h"

namespace usam {
namespace {

using namespace test;

std::shared_ptr<MertEncoder> tiny_with_layer_norms() {
  MertSizes sizes;
  sizes.width = 16, sizes.layers = 2, sizes.heads = 2, sizes.ffn = 24;
  sizes.conv.widths.assign(7, 8);
  sizes.conv.norm = MertConvNorm::kLayer;
  sizes.conv.bias = true;
  sizes.pre_norm = true;
  return std::make_shared<MertEncoder>(sizes);
}

TEST(Mert, AClipIsTheSameAloneAndInABatch) {  // defect 19: the group norm saw the padding
  expect_batch_invariance(*tiny_mert(), {9000, 24000, 400, 17123}, 1, 0);
  expect_batch_invariance(*tiny_with_layer_norms(), {9000, 24000, 400, 17123}, 1, 0);
}

TEST(Mert, TrainsWithoutNoise) {  // defect 16: dropout, LayerDrop and SpecAugment of a frozen encoder
  expect_trains_without_noise(*tiny_mert(), noise({2, 4000}, 1), torch::tensor({4000, 2500}));
  expect_trains_without_noise(*tiny_with_layer_norms(), noise({2, 4000}, 1), torch::tensor({4000, 2500}));
}

TEST(Mert, RandomValuesDependOnSeedAndNameOnly) {
  const auto first = tiny_mert();
  torch::manual_seed(77);
  expect_same_values(*first, *tiny_mert(), true);
  expect_same_values(*first, *tiny_mert(2), false);
}

TEST(Mert, FramesFollowTheConvolutions) {
  const torch::NoGradGuard no_grad;
  const auto encoder = tiny_mert();
  EXPECT_EQ(encoder->min_samples(), 400);
  EXPECT_EQ(encoder->output_frames(399), 0);
  EXPECT_EQ(encoder->hz(), 75);
  for (const int64_t samples : {400, 719, 720, 24000, 30001}) {
    const auto output = encoder->forward(noise({1, samples}, 2), torch::tensor({samples}), false);
    EXPECT_EQ(output.lengths_B.sum().item<int64_t>(), encoder->output_frames(samples));
    EXPECT_EQ(output.last_BTD.size(1), encoder->output_frames(samples));
  }
  EXPECT_EQ(encoder->output_frames(24000), 74);
}

TEST(Mert, TheLastStateOfPreNormComesBeforeTheClosingNorm) {
  const torch::NoGradGuard no_grad;
  const auto wave = noise({1, 4000}, 3), length = torch::tensor({4000});
  const auto pre = tiny_with_layer_norms()->forward(wave, length, true);
  EXPECT_FALSE(torch::allclose(pre.states_BTD.back(), pre.last_BTD));
  const auto post = tiny_mert()->forward(wave, length, true);
  EXPECT_TRUE(torch::equal(post.states_BTD.back(), post.last().x_BTD));
}

}  // namespace
}  // namespace usam
