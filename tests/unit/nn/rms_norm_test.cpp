#include "src/nn/rms_norm.h"

#include <gtest/gtest.h>

namespace usam::nn {
namespace {

TEST(RmsNorm, DividesByTheRootMeanSquareOnly) {
  RmsNorm norm(4, 1e-6);
  torch::NoGradGuard no_grad;
  norm->weight.copy_(torch::tensor({1.0f, 2.0f, 3.0f, 4.0f}));
  const auto y = norm(torch::tensor({{1.0f, 1.0f, 5.0f, 3.0f}}));  // mean square 9, mean 2.5
  EXPECT_TRUE(torch::allclose(y, torch::tensor({{1 / 3.0f, 2 / 3.0f, 5.0f, 4.0f}})));
}

TEST(RmsNorm, EpsilonKeepsSilenceFinite) {
  EXPECT_TRUE(RmsNorm(4, 1e-6)(torch::zeros({2, 4})).eq(0).all().item<bool>());
}

TEST(RmsNorm, TakesTheMeanSquareInFullPrecision) {
  RmsNorm norm(256, 1e-6);
  norm->to(torch::kBFloat16);
  const auto x = torch::full({1, 256}, 3.0).to(torch::kBFloat16);
  const auto y = norm(x);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(y.eq(1).all().item<bool>());
  norm->to(torch::kHalf);
  EXPECT_TRUE(norm(torch::full({1, 256}, 300.0).to(torch::kHalf)).eq(1).all().item<bool>());  // 300^2 overflows half
}

}  // namespace
}  // namespace usam::nn
