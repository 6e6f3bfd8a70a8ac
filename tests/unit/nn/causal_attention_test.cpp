#include "src/nn/causal_attention.h"

#include <gtest/gtest.h>

#include <cmath>

namespace usam::nn {
namespace {

// Attention by its definition, one query at a time.
torch::Tensor plain_attention(const torch::Tensor& q, const torch::Tensor& k, const torch::Tensor& v,
                              const torch::Tensor& segments_BS, int64_t window = 1000) {
  const int64_t batch = q.size(0), heads = q.size(1), steps = q.size(2), width = q.size(3), keys = k.size(2);
  auto out = torch::zeros({batch, steps, heads, width});
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < steps; ++t) {
        const int64_t own = keys - steps + t, group = h * k.size(1) / heads;
        auto seen = segments_BS[b].slice(0, 0, own + 1).eq(segments_BS[b][own]);
        int64_t in_window = 0;
        for (int64_t s = own; s >= 0; --s) {
          if (seen[s].item<bool>() && ++in_window > window) seen[s] = false;
        }
        auto scores = (k[b][group].slice(0, 0, own + 1).matmul(q[b][h][t]) / std::sqrt(static_cast<double>(width)));
        auto weights = scores.masked_fill(seen.logical_not(), -INFINITY).softmax(0);
        out[b][t][h] = weights.matmul(v[b][group].slice(0, 0, own + 1));
      }
  return out.flatten(2);
}

class GroupedAttention : public testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(7);
    q_ = torch::randn({2, 6, 5, 4});
    k_ = torch::randn({2, 3, 5, 4});
    v_ = torch::randn({2, 3, 5, 4});
  }
  void expect_matches(const torch::Tensor& segments_BS, int64_t queries) {
    const auto q = q_.slice(2, 5 - queries);
    const auto got = grouped_attention(q, k_, v_, causal_mask(segments_BS, queries));
    EXPECT_TRUE(torch::allclose(got, plain_attention(q, k_, v_, segments_BS), 1e-5, 1e-6));
  }
  torch::Tensor q_, k_, v_;
};

TEST_F(GroupedAttention, OneSegmentThenPaddingNeedsNoMask) {
  const auto segments = torch::tensor({{1, 1, 1, 1, 1}, {2, 2, 2, 0, 0}});
  EXPECT_TRUE(causal_mask(segments, 5).is_plain);
  const auto got = grouped_attention(q_, k_, v_, causal_mask(segments, 5));
  const auto expected = plain_attention(q_, k_, v_, torch::ones_like(segments));
  EXPECT_TRUE(torch::allclose(got, expected, 1e-5, 1e-6));  // causality alone hides padding from what comes before it
}

TEST_F(GroupedAttention, SegmentsDoNotSeeEachOther) {
  expect_matches(torch::tensor({{1, 1, 2, 2, 2}, {1, 2, 2, 0, 0}}), 5);
  expect_matches(torch::tensor({{1, 2, 1, 2, 1}, {5, 5, 5, 5, 5}}), 5);
}

TEST_F(GroupedAttention, LeftPadding) {
  expect_matches(torch::tensor({{0, 0, 1, 1, 1}, {0, 1, 1, 1, 1}}), 5);
}

TEST_F(GroupedAttention, RowOfPaddingOnlyStaysFinite) {
  const auto segments = torch::tensor({{0, 0, 0, 0, 0}, {0, 0, 0, 0, 1}});
  EXPECT_FALSE(causal_mask(segments, 5).is_plain);
  EXPECT_TRUE(grouped_attention(q_, k_, v_, causal_mask(segments, 5)).isfinite().all().item<bool>());
}

TEST_F(GroupedAttention, LastQueriesOfManyKeys) {
  const auto segments = torch::tensor({{1, 1, 0, 1, 1}, {0, 0, 1, 1, 1}});
  for (int64_t queries = 1; queries <= 3; ++queries) expect_matches(segments, queries);
}

TEST_F(GroupedAttention, AWindowCountsTheKeysOfTheSegmentOnly) {
  const auto check = [this](const torch::Tensor& segments, int64_t queries, int64_t window) {
    const auto q = q_.slice(2, 5 - queries);
    const auto got = grouped_attention(q, k_, v_, causal_mask(segments, queries, window));
    const auto expected = plain_attention(q, k_, v_, segments, window);
    const auto valid = segments.slice(1, 5 - queries).gt(0);  // what padding sees is nobody's business
    EXPECT_TRUE(torch::allclose(got.index({valid}), expected.index({valid}), 1e-5, 1e-6));
    EXPECT_TRUE(got.isfinite().all().item<bool>());
  };
  for (const int64_t window : {1, 2, 3, 4}) {
    for (const int64_t queries : {1, 2, 5}) {
      check(torch::tensor({{1, 1, 1, 1, 1}, {1, 1, 1, 2, 2}}), queries, window);
      check(torch::tensor({{1, 1, 0, 0, 1}, {0, 0, 1, 1, 1}}), queries, window);
      check(torch::tensor({{0, 0, 0, 0, 0}, {1, 1, 1, 0, 0}}), queries, window);
    }
  }
}

TEST_F(GroupedAttention, AWindowThatCutsNothingOffNeedsNoMask) {
  const auto segments = torch::ones({2, 5}, torch::kLong);
  EXPECT_TRUE(causal_mask(segments, 5, 5).is_plain);
  EXPECT_FALSE(causal_mask(segments, 5, 4).is_plain);
}

TEST_F(GroupedAttention, PaddingBetweenSegmentsIsNotPlain) {
  EXPECT_FALSE(causal_mask(torch::tensor({{1, 0, 1}}), 3).is_plain);
  EXPECT_FALSE(causal_mask(torch::tensor({{1, 1, 2}}), 3).is_plain);
  EXPECT_FALSE(causal_mask(torch::tensor({{1, 1, 1}}), 2).is_plain);
}

}  // namespace
}  // namespace usam::nn
