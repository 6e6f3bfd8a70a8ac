#include "src/nn/qformer.h"

#include "src/base/config_yaml.h"
#include "tests/support.h"
#include "tests/unit/bridge/random_frames.h"

namespace usam::nn {
namespace {

WindowQFormerConfig small_qformer(int64_t queries = 1) {
  WindowQFormerConfig c;
  c.window = 4;
  c.queries = queries;
  c.hidden = 8;
  c.heads = 2;
  c.dropout = 0;
  return c;
}

// Row 7: tail frames that do not fill a window were dropped.
TEST(WindowQFormer, TheLastPartialWindowCounts) {
  torch::manual_seed(1);
  WindowQFormer qformer(small_qformer(), 6);
  auto frames = test::random_frames({9, 3}, 10, 6, 25);
  const auto out = qformer->forward(frames);
  EXPECT_TRUE(out.lengths_B.equal(torch::tensor({3, 1})));
  EXPECT_EQ(out.x_BTD.sizes(), at::IntArrayRef({2, 3, 8}));
  EXPECT_DOUBLE_EQ(out.hz, 6.25);
  EXPECT_EQ(out.x_BTD[1].slice(0, 1).abs().sum().item<double>(), 0);  // windows without a frame give nothing
  frames.x_BTD[0][8] += 1;                                            // the only frame of the last window
  const auto changed = (qformer->forward(frames).x_BTD - out.x_BTD)[0].abs().sum(1);
  EXPECT_GT(changed[2].item<double>(), 1e-3);
  EXPECT_EQ(changed.slice(0, 0, 2).sum().item<double>(), 0);
}

TEST(WindowQFormer, OutputFramesFollowsTheMask) {
  WindowQFormer qformer(small_qformer(3), 6);
  const auto out = qformer->forward(test::random_frames({1, 4, 5, 8, 9, 0}, 9, 6, 25));
  const std::vector<int64_t> lengths = {1, 4, 5, 8, 9, 0};
  for (size_t i = 0; i < lengths.size(); ++i) {
    EXPECT_EQ(out.lengths_B[static_cast<int64_t>(i)].item<int64_t>(), qformer->output_frames(lengths[i])) << lengths[i];
  }
}

TEST(WindowQFormer, AClipIsTheSameAloneAndAmongLongerOnes) {
  torch::manual_seed(2);
  WindowQFormer qformer(small_qformer(2), 6);
  auto frames = test::random_frames({6, 13}, 13, 6, 25, 7);
  const auto together = qformer->forward(frames);
  const auto alone =
      qformer->forward({frames.x_BTD.slice(0, 0, 1).slice(1, 0, 6), torch::tensor({6}, torch::kLong), 25});
  EXPECT_TRUE(together.x_BTD[0].slice(0, 0, 4).allclose(alone.x_BTD[0], 1e-5, 1e-6));
}

TEST(WindowQFormer, EveryParameterIsTrainedAndAnEmptyBatchIsFine) {
  torch::manual_seed(3);
  WindowQFormer qformer(small_qformer(2), 6);
  qformer->forward(test::random_frames({6, 13}, 13, 6, 25)).x_BTD.square().sum().backward();
  for (const auto& p : qformer->named_parameters()) EXPECT_TRUE(p.value().grad().defined()) << p.key();
  const auto out = qformer->forward({torch::zeros({0, 5, 6}), torch::zeros({0}, torch::kLong), 25});
  EXPECT_EQ(out.x_BTD.sizes(), at::IntArrayRef({0, 4, 8}));
}

TEST(WindowQFormer, DropoutDrawsInTrainingOnly) {
  torch::manual_seed(4);
  auto config = small_qformer(2);
  config.dropout = 0.5;
  WindowQFormer qformer(config, 6);
  const auto frames = test::random_frames({6}, 6, 6, 25);
  EXPECT_FALSE(qformer->forward(frames).x_BTD.equal(qformer->forward(frames).x_BTD));
  qformer->eval();
  EXPECT_TRUE(qformer->forward(frames).x_BTD.equal(qformer->forward(frames).x_BTD));
}

TEST(WindowQFormerOptions, AreReadAndRefused) {
  const usam::test::TemporaryFolder folder;
  WindowQFormerConfig c;
  const auto file = folder.write("bridge.yaml",
                                 "{window: 4, queries: 2, layers: 1, hidden: 64, heads: 4, intermediate: 96, dropout: "
                                 "0.2, prune: {keep: 0.25}}\n");
  load_config(file, {}, c);
  EXPECT_EQ(c.window, 4);
  EXPECT_EQ(c.queries, 2);
  EXPECT_EQ(c.layers, 1);
  EXPECT_EQ(c.hidden, 64);
  EXPECT_EQ(c.heads, 4);
  EXPECT_EQ(c.intermediate, 96);
  EXPECT_EQ(c.dropout, 0.2);
  ASSERT_TRUE(c.prune.has_value());
  EXPECT_EQ(WindowQFormer(c, 6)->keep(), 0.25);
  WindowQFormerConfig nulls;
  load_config(folder.write("nulls.yaml", "{intermediate: null, prune: null}\n"), {}, nulls);
  EXPECT_FALSE(nulls.prune || nulls.intermediate);
  EXPECT_EQ(WindowQFormer(small_qformer(), 6)->keep(), 1);
  WindowQFormerConfig bad;
  const auto odd = folder.write("odd.yaml", "hidden: 100\n");
  EXPECT_EQ(usam::test::message_of([&] { load_config(odd, {}, bad); }),
            odd + ":1:1: hidden (100) must be a multiple of heads (12).");
}

}  // namespace
}  // namespace usam::nn
