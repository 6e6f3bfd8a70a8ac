// Counted work against counts by hand.
#include "tools/bench/step/work_counter.h"

#include <gtest/gtest.h>

#include "src/nn/fp32_attention.h"

namespace usam::bench {
namespace {

TEST(WorkCounter, ALinearLayerIsThreeProducts) {
  auto layer = torch::nn::Linear(5, 7);
  const auto x = torch::rand({2, 3, 5}, torch::requires_grad());
  WorkCounter counter;
  const auto y = layer(x);
  const double forward = counter.take().total();
  y.sum().backward();
  EXPECT_EQ(forward, 2 * 6 * 5 * 7);
  EXPECT_EQ(counter.take().total(), 2 * forward);  // of the input and of the weight
}

TEST(WorkCounter, AFrozenLayerHasNoGradientOfItsWeight) {
  auto layer = torch::nn::Linear(5, 7);
  layer->weight.requires_grad_(false);
  layer->bias.requires_grad_(false);
  const auto x = torch::rand({6, 5}, torch::requires_grad());
  WorkCounter counter;
  layer(x).sum().backward();
  EXPECT_EQ(counter.take().total(), 2 * (2 * 6 * 5 * 7));
}

TEST(WorkCounter, AConvolutionCountsItsOutputs) {
  const auto x = torch::rand({2, 6, 20}, torch::requires_grad());
  const auto weight = torch::rand({8, 3, 5}, torch::requires_grad());  // two groups
  WorkCounter counter;
  const auto y = torch::conv1d(x, weight, {}, 2, 1, 1, 2);
  ASSERT_EQ(y.size(2), 9);  // (20 + 2 - 5) / 2 + 1
  const double forward = counter.take().total();
  y.sum().backward();
  EXPECT_EQ(forward, 2.0 * 2 * 8 * 9 * 3 * 5);
  EXPECT_EQ(counter.take().total(), 2 * forward);
}

TEST(WorkCounter, AttentionCountsTwoProductsAndBackwardFive) {
  const auto of = [](int64_t t) { return torch::rand({2, 3, t, 8}, torch::requires_grad()); };
  const auto query = of(10), key = of(10), value = of(10);
  WorkCounter counter;
  const auto y = at::scaled_dot_product_attention(query, key, value);
  const double forward = counter.take().total();
  y.sum().backward();
  EXPECT_EQ(forward, 2 * (2.0 * 2 * 3 * 10 * 10 * 8));
  EXPECT_EQ(counter.take().total(), 2.5 * forward);
  at::scaled_dot_product_attention(query, key, value, {}, 0, /*is_causal=*/true);
  EXPECT_EQ(counter.take().total(), forward * 55 / 100);  // 10 * 11 / 2 of 100 pairs
  const torch::NoGradGuard no_grad;
  nn::fp32_attention(query, key, value, torch::tensor({10, 10}));
  EXPECT_EQ(counter.take().total(), forward);
}

TEST(WorkCounter, ASmallTransformerBlockIsTheSumOfItsParts) {
  const int64_t t = 12, d = 16, heads = 4;
  const auto x = torch::rand({1, t, d});
  const auto qkv = torch::rand({3 * d, d}), up = torch::rand({4 * d, d}), down = torch::rand({d, 4 * d});
  const torch::NoGradGuard no_grad;
  WorkCounter counter;
  const auto parts = torch::linear(x, qkv).view({1, t, 3, heads, d / heads}).permute({2, 0, 3, 1, 4});
  const auto attended = torch::matmul(torch::matmul(parts[0], parts[1].transpose(2, 3)).softmax(-1), parts[2]);
  torch::linear(torch::gelu(torch::linear(attended.transpose(1, 2).reshape({1, t, d}), up)), down);
  const Work work = counter.take();
  EXPECT_EQ(work.total(), 2.0 * t * d * (3 * d + 4 * d + 4 * d) + 2 * (2.0 * t * t * d));
  EXPECT_EQ(work.products.at({t, 3 * d, d}), 1);
}

TEST(WorkCounter, NothingIsCountedAfterItsEnd) {
  {
    const WorkCounter counter;
  }
  torch::mm(torch::rand({4, 4}), torch::rand({4, 4}));
  WorkCounter counter;
  EXPECT_EQ(counter.take().total(), 0);
}

}  // namespace
}  // namespace usam::bench
