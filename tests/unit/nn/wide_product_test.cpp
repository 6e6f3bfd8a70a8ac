#include "src/nn/wide_product.h"

#include <gtest/gtest.h>

#include "src/nn/linear.h"

namespace usam::nn {
namespace {

class WideProduct : public testing::Test {
 protected:
  void SetUp() override {
    if (!prefers_onednn()) GTEST_SKIP() << "torch's own products are taken on this processor";
    torch::manual_seed(1);
  }
  static void expect_near(const torch::Tensor& a, const torch::Tensor& b) {
    EXPECT_LT((a - b).abs().max().item<double>(), 2e-6 * b.abs().max().item<double>());
  }
};

TEST_F(WideProduct, IsTorchsWithItsGradient) {
  const auto weight_OI = torch::randn({640, 512}), bias_O = torch::randn({640}), x = torch::randn({3, 64, 512});
  const auto dy = torch::randn({3, 64, 640});
  for (const auto& bias : {bias_O, torch::Tensor()}) {
    auto ours = x.clone().requires_grad_(), torchs = x.clone().requires_grad_();
    ASSERT_TRUE(can_take_wide_product(ours, weight_OI, bias));
    const auto y = linear(ours, weight_OI, bias), expected = torch::linear(torchs, weight_OI, bias);
    expect_near(y, expected);
    EXPECT_NE(y.grad_fn()->name().find("WideProduct"), std::string::npos) << y.grad_fn()->name();
    y.backward(dy);
    expected.backward(dy);
    expect_near(ours.grad(), torchs.grad());
    const torch::NoGradGuard no_grad;
    expect_near(linear(x, weight_OI, bias), expected);
  }
}

TEST_F(WideProduct, TakesWeightsThatLieTransposed) {
  const auto weight_IO = torch::randn({512, 640}), x_MI = torch::randn({200, 512});
  expect_near(wide_product(x_MI, weight_IO.t(), {}), x_MI.mm(weight_IO));
}

TEST_F(WideProduct, LeavesToTorchWhatItCannotDo) {
  const auto x_MI = torch::randn({200, 512}), weight_OI = torch::randn({640, 512});
  EXPECT_TRUE(can_take_wide_product(x_MI, weight_OI, {}));
  EXPECT_FALSE(can_take_wide_product(x_MI, weight_OI.clone().requires_grad_(), {}));
  EXPECT_FALSE(can_take_wide_product(x_MI, weight_OI, torch::zeros({640}).requires_grad_()));
  EXPECT_FALSE(can_take_wide_product(x_MI.to(torch::kDouble), weight_OI.to(torch::kDouble), {}));
  EXPECT_FALSE(can_take_wide_product(x_MI.to(torch::kBFloat16), weight_OI.to(torch::kBFloat16), {}));
  EXPECT_FALSE(can_take_wide_product(x_MI.slice(0, 0, 8), torch::randn({20000, 512}), {}));  // few rows
  EXPECT_FALSE(can_take_wide_product(x_MI, weight_OI.slice(0, 0, 64), {}));                  // little work
  EXPECT_FALSE(can_take_wide_product(torch::zeros({0, 512}), weight_OI, {}));
}

}  // namespace
}  // namespace usam::nn
