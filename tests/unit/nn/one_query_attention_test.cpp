// B rows, H query heads, G key/value heads, S keys, K head width.
#include "src/nn/one_query_attention.h"

#include <gtest/gtest.h>

#include "src/nn/causal_attention.h"

namespace usam::nn {
namespace {

const auto kSegments = torch::tensor({{1, 1, 1, 0, 0, 1, 1}, {1, 1, 1, 1, 1, 1, 1}, {2, 1, 0, 1, 2, 1, 1}});

std::vector<std::pair<int64_t, int64_t>> runs_of(const SeenKeys& seen, size_t row) {
  std::vector<std::pair<int64_t, int64_t>> runs;
  for (size_t i = seen.first_of_rows[row]; i < seen.first_of_rows[row + 1]; ++i)
    runs.emplace_back(seen.runs[i].begin, seen.runs[i].end);
  return runs;
}

TEST(OneQueryAttention, SeesRunsOfItsOwnSegment) {
  using Runs = std::vector<std::pair<int64_t, int64_t>>;
  const auto seen = seen_keys(kSegments);
  EXPECT_EQ(runs_of(seen, 0), (Runs{{0, 3}, {5, 7}}));
  EXPECT_EQ(runs_of(seen, 1), (Runs{{0, 7}}));
  EXPECT_EQ(runs_of(seen, 2), (Runs{{1, 2}, {3, 4}, {5, 7}}));
  EXPECT_EQ(seen.most, 7);
  const auto near = seen_keys(kSegments, 3);  // padding between them does not count
  EXPECT_EQ(runs_of(near, 0), (Runs{{2, 3}, {5, 7}}));
  EXPECT_EQ(runs_of(near, 1), (Runs{{4, 7}}));
  EXPECT_EQ(near.most, 3);
}

TEST(OneQueryAttention, ItsMaskIsTheOneOfCausalAttention) {
  for (const std::optional<int64_t> window : {std::optional<int64_t>(), std::optional<int64_t>(3)}) {
    // With a window it takes segments that follow each other, which those of the last row do not.
    const auto segments = window ? kSegments.narrow(0, 0, 2) : kSegments;
    const auto wider = causal_mask(segments, 2, window);  // of two queries, the last of which is the one
    EXPECT_TRUE(torch::equal(mask_of(seen_keys(segments, window)), wider.allowed_B1TS.narrow(2, 1, 1)));
  }
}

class Kernel : public testing::TestWithParam<std::tuple<int64_t, int64_t>> {};

TEST_P(Kernel, EqualsTheMaskedOne) {
  const auto [groups, width] = GetParam();
  torch::manual_seed(3);
  const torch::NoGradGuard no_grad;
  // As they lie in a cache with room for more, and in projections whose heads are interleaved.
  const auto keys_BGSK = torch::randn({3, groups, 9, width}).narrow(2, 0, 7);
  const auto values_BGSK = torch::randn({3, 7, groups, width}).transpose(1, 2);
  const auto queries_BH1K = torch::randn({3, 1, 6, width}).transpose(1, 2);
  for (const std::optional<int64_t> window : {std::optional<int64_t>(), std::optional<int64_t>(3)}) {
    const auto seen = seen_keys(kSegments, window);
    ASSERT_TRUE(can_attend_one_query(queries_BH1K, keys_BGSK, values_BGSK));
    const auto got = one_query_attention(queries_BH1K, keys_BGSK, values_BGSK, seen);
    const auto expected_BH1K =
        at::scaled_dot_product_attention(queries_BH1K, keys_BGSK.repeat_interleave(6 / groups, 1),
                                         values_BGSK.repeat_interleave(6 / groups, 1), mask_of(seen));
    EXPECT_TRUE(torch::allclose(got, expected_BH1K.transpose(1, 2).flatten(2), 1e-5, 1e-6));
  }
}

INSTANTIATE_TEST_SUITE_P(GroupsAndWidths, Kernel,
                         testing::Combine(testing::Values<int64_t>(1, 3, 6), testing::Values<int64_t>(4, 16, 40, 64)));

TEST(OneQueryAttention, LargeScoresDoNotOverflow) {
  const torch::NoGradGuard no_grad;
  const auto segments = torch::ones({1, 3}, torch::kLong);
  const auto keys = torch::tensor({500.0f, -500.0f, 499.0f}).view({1, 1, 3, 1});
  const auto values = torch::tensor({1.0f, 2.0f, 3.0f}).view({1, 1, 3, 1});
  const auto out = one_query_attention(torch::ones({1, 1, 1, 1}), keys, values, seen_keys(segments));
  EXPECT_NEAR(out.item<double>(), (1 + 3 * std::exp(-1.0)) / (1 + std::exp(-1.0)), 1e-5);
}

TEST(OneQueryAttention, LeavesGraphsAndOtherTypesToTorch) {
  const auto x = torch::randn({1, 1, 1, 4}), keys = torch::randn({1, 1, 2, 4});
  EXPECT_TRUE(can_attend_one_query(x, keys, keys));
  EXPECT_FALSE(can_attend_one_query(x.clone().requires_grad_(), keys, keys));
  EXPECT_FALSE(can_attend_one_query(x.to(torch::kBFloat16), keys.to(torch::kBFloat16), keys.to(torch::kBFloat16)));
  const auto mask = causal_mask(torch::tensor({{0, 1}}), 1);
  ASSERT_TRUE(mask.seen);
  const auto own = grouped_attention(x.to(torch::kDouble), keys.to(torch::kDouble), keys.to(torch::kDouble), mask);
  EXPECT_TRUE(torch::allclose(own.flatten(), keys[0][0][1].to(torch::kDouble)));  // the only one that it sees
}

}  // namespace
}  // namespace usam::nn
