#include "src/tensor/frames.h"

#include <gtest/gtest.h>

#include "src/tensor/front_end_spec.h"

namespace usam {
namespace {

TEST(LengthMask, IsTrueUpToEachLength) {
  const auto lengths_B = torch::tensor({0, 2, 3}, torch::kLong);
  const auto mask_BT = length_mask(lengths_B, 3);
  EXPECT_TRUE(torch::equal(mask_BT, torch::tensor({{0, 0, 0}, {1, 1, 0}, {1, 1, 1}}).to(torch::kBool)));
  EXPECT_EQ(mask_BT.scalar_type(), torch::kBool);
  const Frames frames{torch::zeros({3, 3, 4}), lengths_B, 25};
  EXPECT_TRUE(torch::equal(frames.valid_BT(), mask_BT));
}

TEST(LengthMask, PlacesAreThoseOfTheMask) {
  for (const auto& lengths_B : {torch::tensor({0, 2, 3}, torch::kLong), torch::zeros({0}, torch::kLong)}) {
    const auto places_N = valid_places(lengths_B, 3, torch::kCPU);
    EXPECT_TRUE(torch::equal(places_N, length_mask(lengths_B, 3).flatten().nonzero().squeeze(1)));
    EXPECT_TRUE(valid_places(lengths_B, 3, torch::kMeta).is_meta());
  }
}

TEST(FrontEndSpec, KnowsItsSampleRate) {
  EXPECT_EQ(sample_rate(WhisperMelSpec{}), 16000);
  EXPECT_EQ(sample_rate(WaveSpec{.sample_rate = 24000}), 24000);
  EXPECT_FALSE(FrontEndSpec(WhisperMelSpec{}) == FrontEndSpec(CedMelSpec{}));
}

}  // namespace
}  // namespace usam
