// B rows, T frames, D their width, N tokens, W width of the language model.
#include "src/nn/stack_frames.h"

#include <array>

#include "src/base/config_yaml.h"
#include "src/nn/bridge_registry.h"
#include "tests/support.h"
#include "tests/unit/bridge/random_frames.h"

namespace usam::nn {
namespace {

// Token by token, from the rows' own frames.
torch::Tensor stacked(const Frames& frames, int64_t row, int64_t token, int64_t K) {
  const auto length = frames.lengths_B[row].item<int64_t>(), D = frames.x_BTD.size(2);
  auto parts = std::vector<torch::Tensor>();
  for (int64_t t = token * K; t < (token + 1) * K; ++t)
    parts.push_back(t < length ? frames.x_BTD[row][t] : torch::zeros({D}));
  return torch::cat(parts);
}

TEST(StackFrames, LaysFramesSideBySide) {
  torch::manual_seed(1);
  for (const auto tail : {Tail::kPad, Tail::kDrop}) {
    for (const int64_t T : {9, 10, 11}) {
      StackFrames bridge(StackFramesConfig{5, tail}, 3);
      const std::vector<int64_t> lengths = {T, 5, 6, 2, 0};
      const auto frames = test::random_frames(lengths, T, 3, 50, /*padding=*/1e3);
      const auto out = bridge->forward(frames);
      EXPECT_EQ(bridge->width(), 15);
      EXPECT_EQ(out.hz, 10);
      EXPECT_EQ(out.x_BTD.size(1), bridge->output_frames(T));
      for (int64_t b = 0; b < std::ssize(lengths); ++b) {
        const auto count = bridge->output_frames(lengths[static_cast<size_t>(b)]);
        EXPECT_EQ(out.lengths_B[b].item<int64_t>(), count);
        for (int64_t n = 0; n < out.x_BTD.size(1); ++n) {
          const auto expected = n < count ? stacked(frames, b, n, 5) : torch::zeros({15});
          EXPECT_TRUE(out.x_BTD[b][n].equal(expected)) << "row " << b << ", token " << n;
        }
      }
    }
  }
}

TEST(StackFrames, TheTailIsPaddedOrLeftOut) {
  StackFrames pads(StackFramesConfig{5, Tail::kPad}, 3), drops(StackFramesConfig{5, Tail::kDrop}, 3);
  const std::vector<std::array<int64_t, 3>> cases = {{0, 0, 0}, {1, 1, 1}, {5, 1, 1}, {6, 2, 1}, {9, 2, 1}, {10, 2, 2}};
  for (const auto& [frames, padded, dropped] : cases) {
    EXPECT_EQ(pads->output_frames(frames), padded);
    EXPECT_EQ(drops->output_frames(frames), dropped);
  }
}

// The formula of SLAM-LLM's paper on whole rows, with weights under the names that tools/convert writes.
TEST(Perceptron, IsTheFormula) {
  torch::manual_seed(2);
  for (const auto activation : {Activation::kRelu, Activation::kGelu}) {
    StackFrames bridge(StackFramesConfig{5, Tail::kDrop}, 4);
    Perceptron projector(PerceptronConfig{7, activation}, bridge->width(), 6);
    const auto frames = test::random_frames({13, 10}, 13, 4, 50, /*padding=*/1e3);
    const auto out = projector->forward(bridge->forward(frames), torch::randn({2, 6}));
    auto p = projector->named_parameters();
    ASSERT_EQ(p.size(), 4U);
    const auto x_BNK = frames.x_BTD.narrow(1, 0, 10).reshape({2, 2, 20});
    const auto h_BNH = x_BNK.matmul(p["first.weight"].t()) + p["first.bias"];
    const auto a_BNH = activation == Activation::kRelu ? torch::relu(h_BNH) : torch::gelu(h_BNH);
    EXPECT_TRUE(out.audio.x_BTD.allclose(a_BNH.matmul(p["second.weight"].t()) + p["second.bias"], 1e-5, 1e-6));
    EXPECT_TRUE(out.gates_BTE.equal(torch::ones({2, 2, 1})));
    EXPECT_TRUE(out.chosen_BTE.equal(torch::ones({2, 2, 1}, torch::kBool)));
    out.audio.x_BTD.square().sum().backward();
    for (const auto& parameter : p) EXPECT_GT(parameter.value().grad().abs().max().item<double>(), 0);
  }
}

TEST(Perceptron, PaddingStaysZero) {
  torch::manual_seed(3);
  Perceptron projector(PerceptronConfig{7, Activation::kRelu}, 4, 6);
  const auto tokens = test::random_frames({3, 1}, 3, 4, 50, /*padding=*/1e3);
  const auto out = projector->forward(tokens, torch::randn({2, 6}));
  EXPECT_TRUE(out.audio.x_BTD[1].narrow(0, 1, 2).equal(torch::zeros({2, 6})));
  EXPECT_TRUE(out.gates_BTE[1].narrow(0, 1, 2).equal(torch::zeros({2, 1})));
}

TEST(Perceptron, BothAreAmongTheParts) {
  EXPECT_TRUE(bridge_registry().choices().contains("stack"));
  EXPECT_TRUE(projector_registry().choices().contains("mlp"));
}

}  // namespace
}  // namespace usam::nn
