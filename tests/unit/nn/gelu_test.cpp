#include "src/nn/gelu.h"

#include "tests/support.h"

namespace usam::nn {
namespace {

TEST(Gelu, IsTheExactOne) {
  const auto x = torch::cat({torch::linspace(-12, 12, 48001), torch::tensor({-90.0F, 90.0F, 0.0F, -1e-20F})});
  const auto expected = torch::gelu(x.to(torch::kDouble));
  const auto got = nn::gelu(x.clone()).to(torch::kDouble);
  EXPECT_LT(((got - expected).abs() / x.abs().clamp_min(1)).max().item<double>(), 2.5e-7);
  EXPECT_TRUE(nn::gelu(torch::full({3}, NAN)).isnan().all().item<bool>());
}

TEST(Gelu, WritesOverDenseMemoryOnly) {
  const auto x = torch::randn({3, 5, 7});
  auto turned = x.clone().transpose(1, 2);
  const auto* at = turned.const_data_ptr<float>();
  const auto y = nn::gelu(turned);
  EXPECT_EQ(y.const_data_ptr<float>(), at);
  EXPECT_TRUE(y.allclose(torch::gelu(x).transpose(1, 2), 1e-5, 1e-6));
  const auto wide = x.clone();
  EXPECT_TRUE(nn::gelu(wide.narrow(2, 0, 4)).equal(torch::gelu(x.narrow(2, 0, 4))));
  EXPECT_TRUE(wide.equal(x));
}

TEST(Gelu, HasTorchsGradientAndTheSameValuesWithAGraph) {
  const auto x = torch::randn({40, 7}), leaf = x.clone().requires_grad_();
  const auto y = nn::gelu(leaf);
  EXPECT_TRUE(y.equal(nn::gelu(x.clone())));
  const auto dy = torch::randn_like(y), expected = torch::autograd::grad({torch::gelu(leaf)}, {leaf}, {dy})[0];
  EXPECT_TRUE(torch::autograd::grad({y}, {leaf}, {dy})[0].equal(expected));
}

TEST(Gelu, LeavesOtherTypesToTorch) {
  for (const auto type : {torch::kDouble, torch::kBFloat16}) {
    const auto x = torch::randn({40}).to(type);
    EXPECT_TRUE(nn::gelu(x).equal(torch::gelu(x)));
  }
}

}  // namespace
}  // namespace usam::nn
