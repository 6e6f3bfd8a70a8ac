#include "src/nn/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace usam::nn {
namespace {

TEST(Rope, FrequenciesFallGeometrically) {
  const auto f = rope_frequencies(4, 10000);
  EXPECT_TRUE(torch::allclose(f, torch::tensor({1.0f, 0.01f})));
}

TEST(Rope, Llama3ScalingDividesLowLeavesHighAndBlendsBetween) {
  // Wavelengths 2 pi 10^i against bounds 64 / 4 = 16 and 64 / 1 = 64.
  const auto plain = rope_frequencies(8, 10000), scaled = rope_frequencies(8, 10000, Llama3RopeScaling{8, 1, 4, 64});
  EXPECT_FLOAT_EQ(scaled[0].item<float>(), plain[0].item<float>());
  const double share = (64 * 0.1 / (2 * M_PI) - 1) / 3;
  EXPECT_NEAR(scaled[1].item<double>(), (1 - share) * 0.1 / 8 + share * 0.1, 1e-8);
  EXPECT_FLOAT_EQ(scaled[2].item<float>(), plain[2].item<float>() / 8);
  EXPECT_FLOAT_EQ(scaled[3].item<float>(), plain[3].item<float>() / 8);
}

TEST(Rope, TurnsPairsOfHalvesByTheirAngle) {
  const auto by = rotation(torch::tensor({0.5f, 0.25f}), torch::tensor({{3}}));
  const auto x = torch::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({1, 1, 1, 4});
  const auto y = std::get<0>(rotate(x, x, by)).flatten();
  EXPECT_NEAR(y[0].item<double>(), 1 * std::cos(1.5) - 3 * std::sin(1.5), 1e-6);
  EXPECT_NEAR(y[1].item<double>(), 2 * std::cos(0.75) - 4 * std::sin(0.75), 1e-6);
  EXPECT_NEAR(y[2].item<double>(), 3 * std::cos(1.5) + 1 * std::sin(1.5), 1e-6);
  EXPECT_NEAR(y[3].item<double>(), 4 * std::cos(0.75) + 2 * std::sin(0.75), 1e-6);
}

TEST(Rope, ScoresDependOnDistanceOnly) {
  torch::manual_seed(1);
  const auto frequencies = rope_frequencies(8, 100);
  const auto q = torch::randn({1, 1, 1, 8}), k = torch::randn({1, 1, 1, 8});
  auto score = [&](int64_t at_q, int64_t at_k) {
    const auto turned_q = std::get<0>(rotate(q, k, rotation(frequencies, torch::tensor({{at_q}}))));
    const auto turned_k = std::get<1>(rotate(q, k, rotation(frequencies, torch::tensor({{at_k}}))));
    return (turned_q * turned_k).sum().item<double>();
  };
  EXPECT_NEAR(score(9, 4), score(25, 20), 1e-5);
  EXPECT_GT(std::abs(score(9, 4) - score(9, 5)), 1e-3);
}

TEST(Rope, KeepsTheTypeOfWhatItTurns) {
  const auto by = rotation(rope_frequencies(4, 100), torch::tensor({{2}}));
  const auto x = torch::ones({1, 1, 1, 4});
  const auto [queries, keys] = rotate(x.to(torch::kBFloat16), x, by);
  EXPECT_EQ(queries.scalar_type(), torch::kBFloat16);
  EXPECT_EQ(keys.scalar_type(), torch::kFloat);
  EXPECT_EQ(by.cos_BT1K.scalar_type(), torch::kFloat);
}

}  // namespace
}  // namespace usam::nn
