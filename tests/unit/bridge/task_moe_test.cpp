// "Row n" is a row of docs/model.md: a defect of the published code that the test would catch.
#include "src/nn/task_moe.h"

#include "losses/load_balance.h"
#include "src/base/config_yaml.h"
#include "tests/support.h"
#include "tests/unit/bridge/random_frames.h"

namespace usam::nn {
namespace {

constexpr int64_t kStreamWidth = 6, kModel = 10;

TaskMoeConfig small_moe(RouterInput input = RouterInput::kBoth) {
  TaskMoeConfig c;
  c.expert_hidden = 7;
  c.router_input = input;
  return c;
}

torch::Tensor gradient(const TaskMoe& moe, const std::string& name) {
  return moe->named_parameters()[name].grad();
}

// Row 1: the three experts were one module.
TEST(TaskMoe, ExpertsHaveWeightsAndGradientsOfTheirOwn) {
  torch::manual_seed(1);
  for (const auto hidden : {std::optional<int64_t>(7), std::optional<int64_t>()}) {
    auto config = small_moe();
    config.expert_hidden = hidden;
    TaskMoe moe(config, kStreamWidth, kModel);
    moe->forward(test::random_frames({5, 4}, 5, kStreamWidth, 2), torch::randn({2, kModel}))
        .audio.x_BTD.square()
        .sum()
        .backward();
    const std::string leaf = hidden ? ".0.weight" : ".weight";
    for (const auto* other : {"experts.1", "experts.2"}) {
      EXPECT_FALSE(moe->named_parameters()["experts.0" + leaf].equal(moe->named_parameters()[other + leaf]));
      EXPECT_FALSE(gradient(moe, "experts.0" + leaf).allclose(gradient(moe, other + leaf)));
    }
    for (const auto& p : moe->named_parameters()) EXPECT_GT(p.value().grad().abs().max().item<double>(), 0) << p.key();
  }
}

// Row 2: outputs were summed over time instead of over experts, so that 3 tokens came out whatever the length.
TEST(TaskMoe, MixesExpertsAtEveryFrame) {
  torch::manual_seed(2);
  TaskMoe moe(small_moe(), kStreamWidth, kModel);
  const auto prompt = torch::randn({2, kModel});
  for (const int64_t T : {5, 11}) {
    const auto frames = test::random_frames({T, 3}, T, kStreamWidth, 2);
    const auto out = moe->forward(frames, prompt);
    ASSERT_EQ(out.audio.x_BTD.sizes(), at::IntArrayRef({2, T, kModel}));
    EXPECT_TRUE(out.audio.lengths_B.equal(torch::tensor({T, int64_t{3}})));
    const auto modules = moe->named_children()["experts"]->children();
    auto expected = torch::zeros({2, T, kModel});
    for (int64_t e = 0; e < 3; ++e) {
      const auto mlp = modules[static_cast<size_t>(e)]->as<torch::nn::Sequential>();
      expected = expected + out.gates_BTE.narrow(2, e, 1) * mlp->forward(frames.x_BTD);
    }
    EXPECT_TRUE(out.audio.x_BTD.allclose(expected.masked_fill(~frames.valid_BT().unsqueeze(2), 0), 1e-5, 1e-6));
    EXPECT_TRUE(out.gates_BTE.sum(2).allclose(frames.valid_BT().to(torch::kFloat)));
  }
}

// Row 3: the router saw audio window t beside prompt token t.
TEST(TaskMoe, TheRouterSeesOneTaskVectorAtEveryFrame) {
  torch::manual_seed(3);
  const auto prompt = torch::randn({2, kModel});
  const auto frames = test::random_frames({5, 5}, 5, kStreamWidth, 2);
  auto same = frames;  // the same frame everywhere: gates must not change over time
  same.x_BTD = frames.x_BTD.slice(1, 0, 1).expand({2, 5, kStreamWidth}).contiguous();
  TaskMoe both(small_moe(), kStreamWidth, kModel);
  const auto gates = both->forward(same, prompt).gates_BTE;
  EXPECT_TRUE(gates.allclose(gates.slice(1, 0, 1).expand_as(gates)));
  EXPECT_FALSE(both->forward(same, prompt.roll(1, 0)).gates_BTE.allclose(gates));
  EXPECT_TRUE(both->forward(same, 1000 * prompt).gates_BTE.allclose(gates, 1e-5, 1e-6));  // e / |e|

  TaskMoe by_prompt(small_moe(RouterInput::kPrompt), kStreamWidth, kModel);
  const auto weights = by_prompt->forward(frames, prompt).gates_BTE;
  EXPECT_TRUE(weights.allclose(weights.slice(1, 0, 1).expand_as(weights)));  // one vector per sample
  EXPECT_FALSE(weights[0].allclose(weights[1]));

  TaskMoe by_frame(small_moe(RouterInput::kFrames), kStreamWidth, kModel);
  EXPECT_TRUE(by_frame->forward(frames, prompt).gates_BTE.equal(by_frame->forward(frames, -prompt).gates_BTE));
  EXPECT_FALSE(by_frame->named_parameters().contains("prompt_fc.weight"));
}

TEST(TaskMoe, TopKRunsTheBestExpertsWithRenormalisedGates) {
  torch::manual_seed(4);
  auto config = small_moe();
  config.experts = 4;
  config.top_k = 2;
  TaskMoe moe(config, kStreamWidth, kModel);
  const auto frames = test::random_frames({5, 3}, 5, kStreamWidth, 2);
  const auto out = moe->forward(frames, torch::randn({2, kModel}));
  EXPECT_TRUE(out.chosen_BTE.sum(2).equal(2 * frames.valid_BT().to(torch::kLong)));
  EXPECT_TRUE(out.gates_BTE.sum(2).allclose(frames.valid_BT().to(torch::kFloat)));
  const auto top = std::get<0>(out.probabilities_BTE.topk(2, 2));
  const auto kept = out.probabilities_BTE.masked_fill(~out.chosen_BTE, 0);
  EXPECT_TRUE(kept.sum(2).allclose(top.sum(2)));
  const auto modules = moe->named_children()["experts"]->children();
  auto expected = torch::zeros({2, 5, kModel});
  for (int64_t e = 0; e < 4; ++e) {
    const auto gate = kept.narrow(2, e, 1) / kept.sum(2, true).clamp_min(1e-9);
    expected = expected + gate * modules[static_cast<size_t>(e)]->as<torch::nn::Sequential>()->forward(frames.x_BTD);
  }
  EXPECT_TRUE(out.audio.x_BTD.allclose(expected, 1e-5, 1e-6));
  out.audio.x_BTD.square().sum().backward();
  for (const auto& p : moe->named_parameters()) EXPECT_TRUE(p.value().grad().isfinite().all().item<bool>()) << p.key();
}

TEST(TaskMoe, LoadBalanceEvensOutASparseRouter) {
  torch::manual_seed(5);
  auto config = small_moe(RouterInput::kFrames);
  config.top_k = 1;
  TaskMoe moe(config, kStreamWidth, kModel);
  auto frames = test::random_frames({60, 60}, 60, kStreamWidth, 2);
  frames.x_BTD = frames.x_BTD + 1;
  {
    const torch::NoGradGuard no_grad;
    moe->named_parameters()["router.weight"][0] += 2;  // the router starts lopsided
  }
  torch::optim::Adam optimizer(moe->parameters(), torch::optim::AdamOptions(0.02));
  const auto cost = [&] {
    const auto out = moe->forward(frames, torch::zeros({2, kModel}));
    return losses::load_balance(out.probabilities_BTE, out.chosen_BTE, frames.valid_BT(), {}).sum / 120;
  };
  const auto before = cost().item<double>();
  for (int step = 0; step < 60; ++step) {
    optimizer.zero_grad();
    cost().backward();
    optimizer.step();
  }
  EXPECT_GT(before, 1.5);
  EXPECT_LT(cost().item<double>(), 1.1);  // 1 is even
}

TEST(TaskMoeOptions, AreReadAndRefused) {
  const usam::test::TemporaryFolder folder;
  TaskMoeConfig c;
  load_config(folder.write("a.yaml", "{experts: 5, expert_hidden: null, router_input: prompt, top_k: 2}\n"), {}, c);
  EXPECT_EQ(c.experts, 5);
  EXPECT_FALSE(c.expert_hidden.has_value());
  EXPECT_EQ(c.router_input, RouterInput::kPrompt);
  EXPECT_EQ(c.top_k, 2);
  TaskMoeConfig bad;
  const auto file = folder.write("b.yaml", "{experts: 2, top_k: 3}\n");
  EXPECT_EQ(usam::test::message_of([&] { load_config(file, {}, bad); }),
            file + ":1:1: top_k (3) is more than experts (2).");
}

}  // namespace
}  // namespace usam::nn
