// B batch, D width.
#include "src/tensor/recompute.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include "src/tensor/block.h"
#include "src/tensor/peak_bytes.h"

namespace usam {
namespace {

// Dropout, a mask that is the caller's, and values that a backward pass needs much of.
class WideBlock : public Block {
 public:
  explicit WideBlock(int64_t width) : up(width, 8 * width), down(8 * width, width) {
    register_module("up", up);
    register_module("down", down);
  }
  torch::Tensor forward(const torch::Tensor& x_BD, const torch::Tensor& mask_B1) {
    return wrapped(x_BD, [this, mask_B1](const torch::Tensor& in_BD) {
      ++runs;
      return in_BD + down(torch::dropout(up(in_BD).tanh(), 0.3, true)) * mask_B1;
    });
  }
  torch::nn::Linear up, down;
  int runs = 0;
};

class Net : public torch::nn::Module {
 public:
  explicit Net(int64_t width = 12) {
    torch::manual_seed(3);
    for (int i = 0; i < 6; ++i) {
      blocks.push_back(std::make_shared<WideBlock>(width));
      register_module("block" + std::to_string(i), blocks.back());
    }
    for (auto& p : blocks[1]->parameters()) p.requires_grad_(false);  // passes a gradient on
  }
  torch::Tensor forward(torch::Tensor x_BD) const {
    const auto mask_B1 = torch::arange(x_BD.size(0)).remainder(2).unsqueeze(1);
    for (const auto& block : blocks) x_BD = block->forward(x_BD, mask_B1);
    return x_BD;
  }
  std::vector<torch::Tensor> gradients(bool of_input) const {
    torch::manual_seed(8);
    const auto x_BD = torch::randn({9, 12}).set_requires_grad(of_input);
    const auto draw = torch::rand({1});
    forward(x_BD).pow(2).sum().backward();
    std::vector<torch::Tensor> all = {torch::rand({1}), of_input ? x_BD.grad() : draw};
    for (auto& p : parameters()) {
      if (!p.requires_grad()) continue;
      all.push_back(p.grad().clone());
      p.mutable_grad() = torch::Tensor();
    }
    return all;
  }
  std::vector<std::shared_ptr<WideBlock>> blocks;
};

void expect_equal(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].equal(b[i])) << i;
}

RecomputedBlocks recompute(Net& net, int64_t count) {
  RecomputedBlocks blocks(net);
  EXPECT_EQ(blocks.size(), 6);
  blocks.choose(count);
  return blocks;
}

TEST(Recompute, GradientsAndDropoutAreTheSameBits) {
  for (bool of_input : {false, true}) {
    const auto expected = Net().gradients(of_input);
    Net net;
    recompute(net, 6);
    expect_equal(net.gradients(of_input), expected);
    for (const auto& block : net.blocks) EXPECT_EQ(block->runs, 2);
    net.zero_grad();
    expect_equal(net.gradients(of_input), expected);  // and again
  }
}

TEST(Recompute, TakesAsManyBlocksAsAsked) {
  const auto expected = Net().gradients(true);
  for (const int count : {0, 1, 2, 3, 5}) {
    Net net;
    recompute(net, count);
    expect_equal(net.gradients(true), expected);
    int again = 0;
    for (const auto& block : net.blocks) again += block->runs - 1;
    EXPECT_EQ(again, count);
  }
}

TEST(Recompute, WithoutGradientNothingIsDoneTwice) {
  Net net;
  recompute(net, 6);
  const torch::NoGradGuard no_grad;
  net.forward(torch::randn({3, 12}));
  for (const auto& block : net.blocks) EXPECT_EQ(block->runs, 1);
}

TEST(Recompute, AutocastIsThatOfTheForwardPass) {
  const auto run = [](int64_t count) {
    Net net;
    recompute(net, count);
    at::autocast::set_autocast_enabled(torch::kCPU, true);
    at::autocast::increment_nesting();
    const auto y_BD = net.forward(torch::ones({4, 12}));
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(torch::kCPU, false);
    y_BD.to(torch::kFloat).sum().backward();
    EXPECT_FALSE(at::autocast::is_autocast_enabled(torch::kCPU));
    std::vector<torch::Tensor> all;
    for (const auto& p : net.parameters())
      if (p.requires_grad()) all.push_back(p.grad());
    return all;
  };
  expect_equal(run(6), run(0));
}

TEST(Recompute, WhatIsAroundABlockStaysAround) {
  struct Doubles : BlockWrapper {
    torch::Tensor run(const torch::Tensor& x, const Forward& forward) override { return 2 * forward(x / 2); }
  };
  std::vector<std::vector<torch::Tensor>> results;
  for (bool recomputes : {false, true}) {
    Net net;
    if (recomputes) recompute(net, 6);
    for (const auto& block : net.blocks) block->wrap(std::make_shared<Doubles>());
    results.push_back(net.gradients(true));
  }
  expect_equal(results[0], results[1]);
  EXPECT_FALSE(results[0][1].equal(Net().gradients(true)[1]));
}

// Those that no gradient goes through, a frozen encoder's for example, would be chosen without effect.
TEST(Recompute, LeavesAsideWhatNoGradientGoesThrough) {
  Net net;
  auto blocks = recompute(net, 6);
  const auto x_BD = torch::randn({3, 12}), mask_B1 = torch::ones({3, 1});
  {
    const torch::NoGradGuard no_grad;
    net.blocks[0]->forward(x_BD, mask_B1);
  }
  for (size_t i = 2; i < 6; ++i) net.blocks[i]->forward(x_BD, mask_B1);
  blocks.keep_used();
  EXPECT_EQ(blocks.size(), 4);
  for (const auto& block : net.blocks) block->runs = 0;
  blocks.choose(4);
  net.gradients(true);
  std::vector<int> runs;
  for (const auto& block : net.blocks) runs.push_back(block->runs);
  EXPECT_EQ(runs, (std::vector{1, 1, 2, 2, 2, 2}));
}

TEST(Recompute, KeepsWhatEntersTheBlocks) {
  const int64_t state = 4096 * 12 * static_cast<int64_t>(sizeof(float));
  const auto left_after_forward = [](int64_t count) {
    Net net;
    recompute(net, count);
    const auto x_BD = torch::randn({4096, 12});
    torch::Tensor y_BD;
    const PeakBytes forward([&] { y_BD = net.forward(x_BD); });
    return forward.left();
  };
  EXPECT_GT(left_after_forward(0), 6 * 16 * state);
  EXPECT_LT(left_after_forward(6), 8 * state);
}

}  // namespace
}  // namespace usam
