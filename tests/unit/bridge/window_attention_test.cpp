// The loops against the definition in torch's operators.
#include "src/nn/window_attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "src/nn/dropout.h"
#include "src/tensor/frames.h"
#include "src/tensor/rng.h"

namespace usam::nn {
namespace {

constexpr int64_t kHeldWidth = 37, kHidden = 12, kHeads = 3;

class WindowAttention : public testing::Test {
 protected:
  WindowAttention() { torch::manual_seed(11); }

  // Rows of 9 and 6 frames of 10, in windows of 4: the last ones hold 1 and 2 frames.
  Windows windows(int64_t size = 4) {
    std::vector<int64_t> starts, counts;
    for (const auto& [row, length] : {std::pair<int64_t, int64_t>(0, 9), {1, 6}})
      for (int64_t at = 0; at < length; at += size) {
        starts.push_back(10 * row + at);
        counts.push_back(std::min(size, length - at));
      }
    return {x_, torch::tensor(starts), torch::tensor(counts), size};
  }
  std::vector<torch::Tensor> leaves(torch::Tensor query) {
    return {query, x_, key_->weight, value_->weight, value_->bias};
  }
  // Output and gradients of the leaves.
  template <class F>
  std::vector<torch::Tensor> run(const F& attend, const torch::Tensor& query_NQD, const Windows& windows,
                                 double dropout = 0) {
    auto query = query_NQD.clone().requires_grad_();
    const auto y = attend(query, windows, key_, value_, WindowAttentionOptions{kHeads, dropout});
    const auto weights = torch::sin(torch::arange(y.numel(), torch::kFloat)).view_as(y);
    auto all = torch::autograd::grad({(y * weights).sum()}, leaves(query));
    all.push_back(y.detach());
    return all;
  }
  void expect_equal(const torch::Tensor& query_NQD, const Windows& of) {
    const auto ours = run(attend_windows, query_NQD, of), theirs = run(composite_attend_windows, query_NQD, of);
    for (size_t i = 0; i < ours.size(); ++i)
      EXPECT_LT((ours[i] - theirs[i]).norm().item<double>(), 2e-6 * theirs[i].norm().item<double>()) << i;
  }

  torch::Tensor x_ = torch::randn({2, 10, kHeldWidth}).requires_grad_();
  Linear key_{kHeldWidth, kHidden}, value_{kHeldWidth, kHidden};
};

TEST_F(WindowAttention, IsItsDefinition) {
  for (const int64_t queries : {1, 3}) expect_equal(torch::randn({5, queries, kHidden}), windows());
}

TEST_F(WindowAttention, OneRowOfQueriesStandsForAllWindows) {
  for (const int64_t queries : {1, 3}) expect_equal(torch::randn({1, queries, kHidden}), windows());
}

TEST_F(WindowAttention, AsManyQueriesAsFramesAreProjected) {
  expect_equal(torch::randn({5, 4, kHidden}), windows());
}

TEST_F(WindowAttention, ReadsNoFrameOutsideOfItsWindows) {
  const auto query = torch::randn({5, 1, kHidden});
  const auto before = run(attend_windows, query, windows());
  {
    const torch::NoGradGuard no_grad;
    x_[0].slice(0, 9) = NAN;
    x_[1].slice(0, 6) = NAN;
  }
  const auto after = run(attend_windows, query, windows());
  for (size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(after[i].equal(before[i])) << i;
}

TEST_F(WindowAttention, TheKeysBiasHasNoEffectAndAGradientOfZero) {
  const auto query = torch::randn({5, 1, kHidden});
  attend_windows(query, windows(), key_, value_, {kHeads, 0}).sum().backward();
  EXPECT_TRUE(key_->bias.grad().eq(0).all().item<bool>());
}

// Weights of the attention are dropped one by one, before the values' bias is added.
TEST_F(WindowAttention, DropoutOfItsWeights) {
  const auto of = windows();
  const auto query = torch::randn({5, 1, kHidden});
  const auto dropping = [&](torch::Tensor q_NQD, const Windows& w, Linear& key, Linear& value,
                            const WindowAttentionOptions& options) {
    const auto place = w.starts_N.unsqueeze(1) + torch::arange(w.size);
    const auto valid = length_mask(w.counts_N, w.size);
    const auto frames = w.x_BTC.flatten(0, 1).index_select(0, place.masked_fill(~valid, 0).flatten());
    const auto split = [&](const torch::Tensor& x) {
      return x.view({5, -1, kHeads, kHidden / kHeads}).transpose(1, 2);
    };
    const auto scores = split(q_NQD).matmul(split(key(frames)).transpose(2, 3)) / std::sqrt(4.0);
    const auto weights = scores.masked_fill(~valid.view({5, 1, 1, 4}), -INFINITY).softmax(3);
    seed_default_generators(DrawKey(3));
    const auto keep = apply_dropout(torch::ones_like(weights), draw_dropout(options.dropout));
    return (weights * keep).matmul(split(value(frames))).transpose(1, 2).flatten(2);
  };
  const auto theirs = run(dropping, query, of, 0.4);
  seed_default_generators(DrawKey(3));
  const auto ours = run(attend_windows, query, of, 0.4);
  for (size_t i = 0; i < ours.size(); ++i)
    EXPECT_LT((ours[i] - theirs[i]).norm().item<double>(), 2e-6 * theirs[i].norm().item<double>()) << i;
}

TEST_F(WindowAttention, OtherTypesAndNoWindowsAreFine) {
  auto key = key_, value = value_;
  Windows none{x_, torch::zeros({0}, torch::kInt64), torch::zeros({0}, torch::kInt64), 4};
  EXPECT_EQ(attend_windows(torch::randn({1, 2, kHidden}), none, key, value, {kHeads, 0}).sizes(),
            at::IntArrayRef({0, 2, kHidden}));
  const auto query = torch::randn({5, 1, kHidden});
  const auto expected = attend_windows(query, windows(), key, value, {kHeads, 0});
  key->to(torch::kDouble), value->to(torch::kDouble);
  auto wide = windows();
  wide.x_BTC = x_.to(torch::kDouble);
  EXPECT_TRUE(attend_windows(query.to(torch::kDouble), wide, key, value, {kHeads, 0})
                  .allclose(expected.to(torch::kDouble), 1e-5, 1e-6));
}

}  // namespace
}  // namespace usam::nn
