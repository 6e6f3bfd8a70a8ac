// Alignment, layer mix and frame selection. "Row n" is a row of docs/model.md: a defect of the published code.
#include "src/nn/align.h"
#include "src/nn/frame_select.h"
#include "src/nn/layer_mix.h"
#include "tests/support.h"
#include "tests/unit/bridge/random_frames.h"

namespace usam::nn {
namespace {

namespace F = torch::nn::functional;

// Row 5: Whisper's 30 s grid was squeezed onto the clip's frames.
TEST(Align, EqualsTorchInterpolateOnTheValidFramesOfEachRow) {
  torch::manual_seed(1);
  const std::vector<int64_t> lengths = {1500, 203, 136, 1, 50, 68}, counts = {750, 68, 70, 9, 50, 1};
  const auto stream = test::random_frames(lengths, 1500, 8, 50, std::numeric_limits<double>::quiet_NaN());
  const auto out_BND = align(stream, torch::tensor(counts), 800);
  for (size_t i = 0; i < lengths.size(); ++i) {
    const auto row = stream.x_BTD[static_cast<int64_t>(i)].slice(0, 0, lengths[i]).t().unsqueeze(0);
    const auto options =
        F::InterpolateFuncOptions().size(std::vector<int64_t>{counts[i]}).mode(torch::kLinear).align_corners(false);
    const auto expected = F::interpolate(row, options)[0].t();
    const auto ours = out_BND[static_cast<int64_t>(i)];
    EXPECT_LE((ours.slice(0, 0, counts[i]) - expected).abs().max().item<double>(), 2e-5)
        << lengths[i] << " -> " << counts[i];
    EXPECT_EQ(ours.slice(0, counts[i]).abs().sum().item<double>(), 0);
  }
}

TEST(Align, GradientEqualsTorchInterpolate) {
  torch::manual_seed(2);
  auto stream = test::random_frames({7, 12}, 12, 3, 50);
  stream.x_BTD.requires_grad_();
  const auto seed_BND = torch::randn({2, 9, 3});
  align(stream, torch::tensor({9, 5}), 9).mul(seed_BND).sum().backward();
  const auto ours = stream.x_BTD.grad().clone();
  stream.x_BTD.mutable_grad().zero_();
  const std::vector<int64_t> lengths = {7, 12}, counts = {9, 5};
  for (int64_t i = 0; i < 2; ++i) {
    const auto n = counts[static_cast<size_t>(i)];
    const auto row = stream.x_BTD[i].slice(0, 0, lengths[static_cast<size_t>(i)]).t().unsqueeze(0);
    const auto options =
        F::InterpolateFuncOptions().size(std::vector<int64_t>{n}).mode(torch::kLinear).align_corners(false);
    F::interpolate(row, options)[0].t().mul(seed_BND[i].slice(0, 0, n)).sum().backward();
  }
  EXPECT_TRUE(ours.allclose(stream.x_BTD.grad(), 1e-5, 1e-6));
}

TEST(Align, ARowOrABatchWithoutFramesGivesZeros) {
  const auto stream = test::random_frames({0, 4}, 4, 3, 50, std::numeric_limits<double>::quiet_NaN());
  const auto out = align(stream, torch::tensor({3, 3}), 3);
  EXPECT_EQ(out[0].abs().sum().item<double>(), 0);
  EXPECT_TRUE(out[1].isfinite().all().item<bool>());
  EXPECT_TRUE(align({torch::zeros({0, 0, 3}), torch::zeros({0}, torch::kLong), 1}, torch::zeros({0}, torch::kLong), 0)
                  .sizes() == at::IntArrayRef({0, 0, 3}));
}

// An event stands at the same moment of every stream, whatever the streams' rates and the clip's neighbours.
TEST(Align, StreamsOfOneClipMeetInTime) {
  Frames fast{torch::zeros({2, 400, 1}), torch::tensor({100, 400}), 50};
  Frames slow{torch::zeros({2, 200, 1}), torch::tensor({50, 200}), 25};
  fast.x_BTD[0].slice(0, 60, 62).fill_(1);  // 1.2 s
  slow.x_BTD[0][30].fill_(1);
  const auto fused = fuse({slow, fast}, slow.lengths_B, 25);
  EXPECT_EQ(fused.x_BTD.sizes(), at::IntArrayRef({2, 200, 2}));
  EXPECT_TRUE(fused.lengths_B.equal(slow.lengths_B));
  EXPECT_EQ(fused.hz, 25);
  EXPECT_EQ(fused.x_BTD[0].select(1, 0).argmax().item<int64_t>(), 30);
  EXPECT_EQ(fused.x_BTD[0].select(1, 1).argmax().item<int64_t>(), 30);
}

TEST(LayerMix, StartsAsTheMeanAndIsALearnedConvolution) {
  torch::manual_seed(3);
  LayerMix mix(4);
  std::vector<torch::Tensor> states;
  for (int i = 0; i < 4; ++i) states.push_back(torch::randn({2, 5, 3}));
  EXPECT_TRUE(mix->forward(states).allclose(torch::stack(states).mean(0), 1e-5, 1e-6));
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(4, 1, 1));
  {
    const torch::NoGradGuard no_grad;
    mix->named_parameters()["weight"].copy_(conv->weight.view({1, 4}));
    mix->named_parameters()["bias"].copy_(conv->bias);
  }
  const auto ours = mix->forward(states), theirs = conv->forward(torch::stack(states, 1)).squeeze(1);
  EXPECT_TRUE(ours.allclose(theirs, 1e-5, 1e-6));
  ours.square().sum().backward();
  theirs.square().sum().backward();
  EXPECT_TRUE(mix->named_parameters()["weight"].grad().allclose(conv->weight.grad().view({1, 4}), 1e-4, 1e-4));
  states.pop_back();
  EXPECT_EQ(usam::test::message_of([&] { mix->forward(states); }), "A layer mix over 4 hidden states was given 3.");
}

TEST(FrameSelect, KeepsTheCeilingOfTheShareAndAtLeastOne) {
  const auto valid = length_mask(torch::arange(0, 101), 100);
  for (const double share : {0.0, 0.01, 0.1, 0.3, 0.5, 0.55, 0.7, 1.0}) {
    const auto kept = mask_from_scores(torch::rand({101, 100}), valid, share).sum(1);
    EXPECT_TRUE(kept.equal(kept_frames(torch::arange(0, 101), share)));
    for (int64_t n = 0; n <= 100; ++n) {
      const auto ceiling =
          static_cast<int64_t>(std::ceil(share * static_cast<double>(n)));  // math.ceil of the reference
      ASSERT_EQ(kept[n].item<int64_t>(), std::min(n, std::max<int64_t>(ceiling, 1))) << share << " of " << n;
    }
  }
}

TEST(FrameSelect, OfEqualScoresTheEarlierFrameIsKept) {
  const auto valid = length_mask(torch::tensor({6, 4}), 6);
  const auto scores = torch::tensor({{.5, .7, .5, .5, .7, .5}, {.1, .1, .1, .1, 9., 9.}});
  const auto expected = torch::tensor({{1, 1, 0, 0, 1, 0}, {1, 1, 0, 0, 0, 0}}).to(torch::kBool);
  EXPECT_TRUE(mask_from_scores(scores, valid, 0.5).equal(expected));
  const auto many = mask_from_scores(torch::zeros({1, 500}), torch::ones({1, 500}, torch::kBool), 0.5);
  EXPECT_TRUE(many[0].slice(0, 0, 250).all().item<bool>());
}

TEST(FrameSelect, SelectionKeepsOrderAndGradient) {
  auto frames = test::random_frames({5, 3}, 5, 2, 50, std::numeric_limits<double>::quiet_NaN());
  frames.x_BTD.requires_grad_();
  const auto keep = torch::tensor({{0, 1, 0, 1, 1}, {1, 0, 1, 0, 0}}).to(torch::kBool);
  const auto out = select_frames(frames, keep, torch::tensor({3, 2}));
  EXPECT_TRUE(out.lengths_B.equal(torch::tensor({3, 2})));
  EXPECT_TRUE(out.x_BTD[0].equal(frames.x_BTD[0].index({keep[0]})));
  EXPECT_TRUE(out.x_BTD[1].slice(0, 0, 2).equal(frames.x_BTD[1].index({keep[1]})));
  EXPECT_EQ(out.x_BTD[1][2].abs().sum().item<double>(), 0);
  out.x_BTD.sum().backward();
  EXPECT_TRUE(frames.x_BTD.grad().equal(keep.unsqueeze(2).expand({2, 5, 2}).to(torch::kFloat)));
}

}  // namespace
}  // namespace usam::nn
