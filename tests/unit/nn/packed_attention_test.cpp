// N positions of all sequences, T of one, H query heads, G key/value heads, K head width.
#include "src/nn/packed_attention.h"

#include <gtest/gtest.h>

#include <numeric>

#include "src/nn/causal_attention.h"

namespace usam::nn {
namespace {

using Tensors = std::vector<torch::Tensor>;

// Each sequence as a row of its own.
torch::Tensor by_rows(const Tensors& x, const Packing& packing) {
  Tensors out;
  int64_t first = 0;
  for (const int64_t length : packing.lengths) {
    if (length == 0) continue;
    auto row = [&](const torch::Tensor& all) { return all.narrow(0, first, length).transpose(0, 1).unsqueeze(0); };
    const auto segments = torch::ones({1, length}, torch::kLong);
    out.push_back(
        grouped_attention(row(x[0]), row(x[1]), row(x[2]), causal_mask(segments, length, packing.window)).squeeze(0));
    first += length;
  }
  return torch::cat(out);
}

template <class F>
Tensors values_and_gradients(const F& attend, const Tensors& operands, const Packing& packing) {
  Tensors leaves;
  for (const auto& x : operands) leaves.push_back(x.detach().clone().requires_grad_());
  Tensors out = {attend(leaves, packing)};
  torch::manual_seed(8);
  (out[0] * torch::randn(out[0].sizes())).sum().backward();
  for (const auto& x : leaves) out.push_back(x.grad());
  return out;
}

void expect_same(const std::vector<int64_t>& lengths, int64_t heads, int64_t groups,
                 std::optional<int64_t> window = std::nullopt) {
  torch::manual_seed(7);
  const int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const Tensors x = {torch::randn({total, heads, 8}), torch::randn({total, groups, 8}),
                     torch::randn({total, groups, 8})};
  const auto packed = packing(lengths, torch::kCPU, window);
  const auto expected = values_and_gradients(by_rows, x, packed);
  const auto fused = values_and_gradients(
      [](const Tensors& y, const Packing& p) { return packed_attention(y[0], y[1], y[2], p); }, x, packed);
  const auto composite = values_and_gradients(
      [](const Tensors& y, const Packing& p) { return composite_packed_attention(y[0], y[1], y[2], p); }, x, packed);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(torch::allclose(fused[i], expected[i], 1e-5, 2e-6)) << i;
    EXPECT_TRUE(torch::allclose(composite[i], expected[i], 1e-5, 2e-6)) << i;
  }
  const torch::NoGradGuard no_grad;
  EXPECT_TRUE(packed_attention(x[0], x[1], x[2], packed).equal(fused[0]));
}

TEST(PackedAttention, IsThatOfEachSequenceAlone) {
  expect_same({5, 1, 9, 3}, 4, 4);
  expect_same({7}, 2, 2);
}

TEST(PackedAttention, HeadsMayShareKeys) {
  expect_same({5, 1, 9, 3}, 6, 2);
  expect_same({40, 70}, 4, 1);
}

TEST(PackedAttention, AWindowCutsLongSequencesOnly) {
  const auto packed = packing({5, 3, 4}, torch::kCPU, 3);
  EXPECT_TRUE(packed.masks_TT[0].defined() && packed.masks_TT[2].defined());
  EXPECT_FALSE(packed.masks_TT[1].defined());
  for (const int64_t window : {1, 2, 3, 9, 20}) expect_same({5, 1, 9, 3}, 4, 2, window);
}

TEST(PackedAttention, SequencesMayBeEmpty) {
  expect_same({0, 5, 0, 2, 0}, 4, 2);
  const auto none = torch::zeros({0, 2, 4});
  EXPECT_EQ(packed_attention(none, none, none, packing({}, torch::kCPU)).sizes(), (std::vector<int64_t>{0, 8}));
}

TEST(PackedAttention, TakesLowPrecision) {
  torch::manual_seed(9);
  const auto q = torch::randn({9, 4, 8}), k = torch::randn({9, 2, 8}), v = torch::randn({9, 2, 8});
  const auto packed = packing({4, 5}, torch::kCPU);
  const auto low = packed_attention(q.to(torch::kBFloat16), k.to(torch::kBFloat16), v.to(torch::kBFloat16), packed);
  EXPECT_EQ(low.scalar_type(), torch::kBFloat16);
  EXPECT_TRUE(torch::allclose(low.to(torch::kFloat), packed_attention(q, k, v, packed), 0.05, 0.05));
}

TEST(PackedAttention, PositionsBeginAnew) {
  EXPECT_TRUE(positions_of({3, 0, 2}, torch::kCPU).equal(torch::tensor({0, 1, 2, 0, 1})));
}

}  // namespace
}  // namespace usam::nn
