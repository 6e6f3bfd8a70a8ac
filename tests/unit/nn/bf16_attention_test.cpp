// B rows, H heads, T queries, S keys, K head width.
#include "src/nn/bf16_attention.h"

#include <gtest/gtest.h>

#include "src/nn/self_attention.h"
#include "src/tensor/dtype.h"

namespace usam::nn {
namespace {

class Bf16Attention : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_bfloat16_products()) GTEST_SKIP() << "needs a processor that multiplies bfloat16 numbers";
    torch::manual_seed(4);
  }
  torch::NoGradGuard no_grad_;
};

torch::Tensor rounded(const torch::Tensor& x) {
  return x.to(torch::kBFloat16).to(torch::kFloat);
}

// The same on rounded queries, keys and values in fp32: what is left is the rounding of the softmax's weights, 2^-9 of
// each at the most.
TEST_F(Bf16Attention, IsAttentionOfRoundedNumbers) {
  for (const int64_t width : {2, 24, 32, 48, 64, 80, 128})
    for (const int64_t length : {1, 5, 18, 64, 131}) {
      // Heads as they lie in projections.
      const auto heads = [&] { return torch::randn({3, length, 4, width}).transpose(1, 2); };
      const auto queries = 2 * heads(), keys = heads();
      auto values = heads();
      const auto keys_B = torch::tensor({length, (length + 1) / 2, int64_t{1}});
      const auto mask = torch::arange(length) < keys_B.view({3, 1, 1, 1});
      const auto expected = at::scaled_dot_product_attention(rounded(queries), rounded(keys), rounded(values), mask)
                                .transpose(1, 2)
                                .flatten(2);
      // What is not seen may be anything.
      const auto hidden = mask.logical_not().transpose(2, 3);
      const auto nan = std::numeric_limits<float>::quiet_NaN();
      ASSERT_TRUE(can_attend_in_bf16(queries, keys, values));
      const auto out = bf16_attention(queries, keys.masked_fill(hidden, nan), values.masked_fill(hidden, nan), keys_B);
      EXPECT_LT((out - expected).norm().item<double>(), 3e-3 * expected.norm().item<double>())
          << width << " " << length;
    }
}

TEST_F(Bf16Attention, LargeScoresAreNoInfinities) {
  const auto queries = 100 * torch::randn({1, 2, 9, 64});
  const auto out = bf16_attention(queries, queries, torch::randn({1, 2, 9, 64}), torch::tensor({9}));
  EXPECT_TRUE(out.isfinite().all().item<bool>());
}

TEST_F(Bf16Attention, TakesNoOddWidthNoGraphNoOtherType) {
  const auto x = torch::randn({1, 2, 3, 8});
  EXPECT_TRUE(can_attend_in_bf16(x, x, x));
  EXPECT_FALSE(can_attend_in_bf16(torch::randn({1, 2, 3, 7}), x, x));
  EXPECT_FALSE(can_attend_in_bf16(x, x.to(torch::kDouble), x));
  EXPECT_FALSE(can_attend_in_bf16(x, x, x.transpose(2, 3)));
  const torch::AutoGradMode graph(true);
  EXPECT_FALSE(can_attend_in_bf16(x, x, x));
}

// An encoder's layer whose activations are rounded anyway uses it, any other does not.
TEST_F(Bf16Attention, IsForLayersThatRoundActivations) {
  SelfAttention attention(SelfAttentionOptions{.width = 32, .heads = 2});
  const auto x_BTD = torch::randn({2, 7, 32});
  const auto mask = key_padding_mask(torch::tensor({7, 4}), 7, torch::kCPU);
  const auto both = [&](WeightStore store) {
    for (const auto& module : attention->children())
      if (auto* linear = module->as<LinearImpl>()) linear->keep(linear->values(), store);
    const auto with = attention->forward(x_BTD, mask);
    has_bfloat16_products() = false;
    const auto without = attention->forward(x_BTD, mask);
    has_bfloat16_products() = true;
    return (with - without).norm().item<double>() / without.norm().item<double>();
  };
  EXPECT_EQ(both(WeightStore::kPlain), 0);
  EXPECT_EQ(both(WeightStore::kInt8), 0);
  const double apart = both(WeightStore::kInt8Dynamic);
  EXPECT_GT(apart, 0);
  EXPECT_LT(apart, 1e-2);
}

}  // namespace
}  // namespace usam::nn
