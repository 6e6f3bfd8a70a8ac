// B rows, H heads, T queries, S keys, K head width.
#include "src/nn/fp32_attention.h"

#include <gtest/gtest.h>

#include "src/nn/self_attention.h"
#include "src/tensor/autocast.h"
#include "src/tensor/block.h"
#include "src/tensor/recompute.h"

namespace usam::nn {
namespace {

class Fp32Attention : public testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(4); }
  torch::NoGradGuard no_grad_;
};

// Against attention in double; rounding of fp32 is left, as torch's own has it.
TEST_F(Fp32Attention, IsAttention) {
  for (const int64_t width : {1, 7, 16, 24, 64, 80, 128})
    for (const int64_t length : {1, 5, 18, 64, 131}) {
      // Heads as they lie in projections.
      const auto heads = [&] { return torch::randn({3, length, 4, width}).transpose(1, 2); };
      const auto queries = 2 * heads(), keys = heads(), values = heads();
      const auto keys_B = torch::tensor({length, (length + 1) / 2, int64_t{1}});
      const auto mask = torch::arange(length) < keys_B.view({3, 1, 1, 1});
      const auto expected = at::scaled_dot_product_attention(queries.to(torch::kDouble), keys.to(torch::kDouble),
                                                             values.to(torch::kDouble), mask)
                                .transpose(1, 2)
                                .flatten(2);
      // What is not seen may be anything.
      const auto hidden = mask.logical_not().transpose(2, 3);
      const auto nan = std::numeric_limits<float>::quiet_NaN();
      ASSERT_TRUE(can_attend_in_fp32(queries, keys, values));
      const auto out = fp32_attention(queries, keys.masked_fill(hidden, nan), values.masked_fill(hidden, nan), keys_B);
      EXPECT_LT((out - expected).abs().max().item<double>(), 3e-6) << width << " " << length;
    }
}

TEST_F(Fp32Attention, OfNothingIsEmpty) {
  const auto x = torch::empty({2, 3, 0, 8});
  EXPECT_EQ(fp32_attention(x, x, x, torch::tensor({0, 0})).sizes(), torch::IntArrayRef({2, 0, 24}));
}

TEST_F(Fp32Attention, LargeScoresAreNoInfinities) {
  const auto queries = 100 * torch::randn({1, 2, 40, 64});
  const auto values = torch::randn({1, 2, 40, 64});
  const auto out = fp32_attention(queries, queries, values, torch::tensor({40}));
  // Every query finds itself.
  EXPECT_TRUE(out.allclose(values.transpose(1, 2).flatten(2)));
}

TEST_F(Fp32Attention, TakesNoGraphNoAutocastNoOtherType) {
  const auto x = torch::randn({1, 2, 3, 8});
  EXPECT_TRUE(can_attend_in_fp32(x, x, x));
  EXPECT_FALSE(can_attend_in_fp32(x, x.to(torch::kDouble), x));
  EXPECT_FALSE(can_attend_in_fp32(x, x, x.transpose(2, 3)));
  EXPECT_FALSE(can_attend_in_fp32(torch::randn({1, 2, 3, 129}), x, x));
  at::autocast::set_autocast_enabled(at::kCPU, true);
  EXPECT_FALSE(can_attend_in_fp32(x, x, x));
  at::autocast::set_autocast_enabled(at::kCPU, false);
  const torch::AutoGradMode graph(true);
  EXPECT_FALSE(can_attend_in_fp32(x, x, x));
}

// With a graph a layer computes what it does without one, which is this kernel.
TEST_F(Fp32Attention, IsWhatALayerWithoutAGraphTakes) {
  SelfAttention attention(SelfAttentionOptions{.width = 32, .heads = 2});
  const auto x_BTD = torch::randn({2, 37, 32});
  for (const int64_t length : {37, 20}) {
    const auto mask = key_padding_mask(torch::tensor({int64_t{37}, length}), 37, torch::kCPU);
    const auto without = attention->forward(x_BTD, mask);
    const torch::AutoGradMode graph(true);
    const auto with = attention->forward(x_BTD.clone().requires_grad_(), mask);
    EXPECT_TRUE(with.requires_grad());
    EXPECT_LT((with - without).abs().max().item<double>(), 1e-6);
    EXPECT_FALSE(with.equal(without)) << "torch's attention was taken for both";
  }
}

class AttentionBlock : public Block {
 public:
  AttentionBlock() : attention(SelfAttentionOptions{.width = 32, .heads = 2}) {
    register_module("attention", attention);
  }
  torch::Tensor forward(const torch::Tensor& x_BTD) {
    return wrapped(x_BTD, [this](const torch::Tensor& in_BTD) { return attention(in_BTD, torch::Tensor()); });
  }
  SelfAttention attention;
};

// Else the gradients would be of other values than the loss.
TEST_F(Fp32Attention, ABlockThatRunsAgainComputesTheSameTwice) {
  const torch::AutoGradMode graph(true);
  const auto block = std::make_shared<AttentionBlock>();
  torch::nn::ModuleList model(block);
  const auto x_BTD = torch::randn({2, 37, 32});
  const auto kept = block->forward(x_BTD);
  RecomputedBlocks blocks(*model);
  blocks.choose(1);
  EXPECT_TRUE(block->forward(x_BTD).equal(kept));
}

}  // namespace
}  // namespace usam::nn
