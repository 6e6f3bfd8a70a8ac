#include "src/nn/dropout.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "src/tensor/rng.h"

namespace usam::nn {
namespace {

torch::Tensor kept(double share, uint64_t seed, int64_t count) {
  return apply_dropout(torch::ones({count}), {seed, share}) != 0;
}

// How often two events of probability p each fall together, in standard deviations from p^2.
double deviation(const torch::Tensor& both, double p) {
  const auto n = static_cast<double>(both.numel());
  const double q = p * p;
  return (both.sum().item<double>() - n * q) / std::sqrt(n * q * (1 - q));
}

TEST(Dropout, DropsItsShareAndKeepsTheMean) {
  for (const double share : {0.01, 0.1, 0.5, 0.9}) {
    const auto y = apply_dropout(torch::ones({1000003}), {7, share});
    const double dropped = y.eq(0).to(torch::kDouble).mean().item<double>();
    EXPECT_NEAR(dropped, share, 5 * std::sqrt(share * (1 - share) / 1e6)) << share;
    EXPECT_TRUE(y.masked_select(y != 0).allclose(torch::tensor(static_cast<float>(1 / (1 - share))))) << share;
  }
}

TEST(Dropout, DrawsAreIndependentOfNeighboursBlocksAndSeeds) {
  constexpr int64_t kCount = 1 << 20;
  for (const uint64_t seed : {0, 1, 12345}) {
    const auto drops = ~kept(0.25, seed, kCount);
    for (const int64_t lag : {1, 2, 3, 16, 128, 1 << 14}) {
      const auto ahead = drops.slice(0, lag), behind = drops.slice(0, 0, kCount - lag);
      EXPECT_LT(std::abs(deviation(ahead.logical_and(behind), 0.25)), 5) << "seed " << seed << ", lag " << lag;
    }
    const auto others = ~kept(0.25, seed + 1, kCount);
    EXPECT_LT(std::abs(deviation(drops.logical_and(others), 0.25)), 5) << seed;
  }
}

TEST(Dropout, TheMaskDependsNeitherOnThreadsNorOnTheNumberOfElements) {
  const int threads = at::get_num_threads();
  const auto first = kept(0.3, 9, 100000);
  at::set_num_threads(threads == 1 ? 3 : 1);
  EXPECT_TRUE(kept(0.3, 9, 100000).equal(first));
  at::set_num_threads(threads);
  EXPECT_TRUE(kept(0.3, 9, 54321).equal(first.slice(0, 0, 54321)));
}

TEST(Dropout, TheGradientGoesWhereTheValueWent) {
  torch::manual_seed(3);
  const auto x = torch::rand({40, 70}).add(1).requires_grad_();
  const auto y = nn::dropout(x, 0.4, true);
  y.sum().backward();
  EXPECT_TRUE((x.grad() * x).allclose(y));
  EXPECT_TRUE(x.grad().eq(0).any().item<bool>());
}

TEST(Dropout, IsAFunctionOfTheDefaultGenerator) {
  const auto x = torch::ones({1000});
  seed_default_generators(DrawKey(4));
  const auto first = nn::dropout(x, 0.5, true), second = nn::dropout(x, 0.5, true);
  EXPECT_FALSE(first.equal(second));
  seed_default_generators(DrawKey(4));
  EXPECT_TRUE(nn::dropout(x, 0.5, true).equal(first));
}

TEST(Dropout, LeavesOrDropsEverythingAtItsEnds) {
  const auto x = torch::rand({8});
  EXPECT_TRUE(nn::dropout(x, 0.5, false).is_same(x));
  EXPECT_TRUE(nn::dropout(x, 0, true).is_same(x));
  EXPECT_TRUE(nn::dropout(x, 1, true).eq(0).all().item<bool>());
  EXPECT_EQ(nn::dropout(torch::zeros({0, 3}), 0.5, true).sizes(), at::IntArrayRef({0, 3}));
}

TEST(Dropout, TakesWhatItsLoopsDoNot) {
  for (const auto& x :
       {torch::ones({1000}, torch::kBFloat16), torch::ones({1000}, torch::kDouble), torch::ones({50, 20}).t()}) {
    const auto y = nn::dropout(x, 0.5, true);
    EXPECT_EQ(y.scalar_type(), x.scalar_type());
    EXPECT_NEAR(y.eq(0).to(torch::kDouble).mean().item<double>(), 0.5, 0.1);
  }
}

}  // namespace
}  // namespace usam::nn
