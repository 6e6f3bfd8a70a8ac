#include "trainer/optimizer.h"

#include <gtest/gtest.h>

#include "src/tensor/rng.h"

namespace usam {
namespace {

// A matrix and a vector, each twice: for ours and for torch's own AdamW.
struct Pair {
  torch::Tensor matrix_IO, vector;
  Pair() {
    torch::Generator random = generator(draw_key(1, "pair"));
    matrix_IO = torch::randn({5, 3}, random).requires_grad_();
    vector = torch::randn({7}, random).requires_grad_();
  }
  void set_gradients(int64_t step) {
    torch::Generator random = generator(draw_key(2, "gradient", step));
    matrix_IO.mutable_grad() = torch::randn({5, 3}, random);
    vector.mutable_grad() = torch::randn({7}, random);
  }
  std::vector<ParameterGroup> groups() const {
    ParameterGroup group{.name = "all", .parameters = {}};
    group.parameters = {{"matrix", matrix_IO}, {"vector", vector}};
    return {group};
  }
};

TEST(AdamW, EqualsTorchWithoutDecayOnVectors) {
  const AdamWConfig config{.lr = 0.01, .betas = {0.8, 0.95}, .eps = 1e-6, .weight_decay = 0.3};
  Pair ours, theirs;
  AdamW optimizer(config, ours.groups());
  auto options = [&](double decay) {
    return torch::optim::AdamWOptions(config.lr).betas({0.8, 0.95}).eps(config.eps).weight_decay(decay);
  };
  torch::optim::AdamW decayed({theirs.matrix_IO}, options(0.3)), plain({theirs.vector}, options(0));
  for (int64_t step = 0; step < 20; ++step) {
    ours.set_gradients(step);
    theirs.set_gradients(step);
    optimizer.step(ours.groups(), config.lr);
    decayed.step();
    plain.step();
  }
  EXPECT_LT((ours.matrix_IO - theirs.matrix_IO).abs().max().item<double>(), 1e-6);
  EXPECT_LT((ours.vector - theirs.vector).abs().max().item<double>(), 1e-6);
}

TEST(AdamW, ScalesTheRateOfAGroupAndLeavesInactiveOnesAlone) {
  const AdamWConfig config{.lr = 0.01, .weight_decay = 0};
  Pair fast, slow;
  AdamW of_fast(config, fast.groups()), of_slow(config, slow.groups());
  const torch::Tensor before = fast.vector.detach().clone();
  fast.set_gradients(0);
  slow.set_gradients(0);
  auto groups = slow.groups();
  groups[0].lr_scale = 0.25;
  groups[0].active = false;
  of_slow.step(groups, config.lr);
  EXPECT_TRUE(slow.vector.equal(before));
  groups[0].active = true;
  of_slow.step(groups, config.lr);
  of_fast.step(fast.groups(), config.lr);
  EXPECT_LT(((slow.vector - before) * 4 - (fast.vector - before)).abs().max().item<double>(), 1e-6);
}

TEST(AdamW, StateIsNamedAndLive) {
  Pair pair;
  AdamW optimizer({.lr = 0.01}, pair.groups());
  pair.set_gradients(0);
  optimizer.step(pair.groups(), 0.01);
  std::map<std::string, torch::Tensor> state;
  for (const auto& tensor : optimizer.state()) state[tensor.name] = tensor.values;
  ASSERT_EQ(state.size(), 5u);
  EXPECT_EQ(state.at("group.all.steps").item<float>(), 1);
  EXPECT_LT((state.at("matrix.average") - 0.1 * pair.matrix_IO.grad()).abs().max().item<double>(), 1e-6);
  EXPECT_LT((state.at("vector.square") - 0.001 * pair.vector.grad().square()).abs().max().item<double>(), 1e-6);

  Pair again;  // a copy of parameters and state goes on alike
  AdamW restored({.lr = 0.01}, again.groups());
  torch::NoGradGuard no_grad;
  again.matrix_IO.copy_(pair.matrix_IO);
  again.vector.copy_(pair.vector);
  for (auto& tensor : restored.state()) tensor.values.copy_(state.at(tensor.name));
  pair.set_gradients(1);
  again.set_gradients(1);
  optimizer.step(pair.groups(), 0.01);
  restored.step(again.groups(), 0.01);
  EXPECT_TRUE(again.matrix_IO.equal(pair.matrix_IO));
  EXPECT_TRUE(again.vector.equal(pair.vector));
}

TEST(AdamW, RefusesAParameterInTwoGroups) {
  Pair pair;
  auto groups = pair.groups();
  groups.push_back(groups[0]);
  EXPECT_THROW(AdamW({}, groups), std::logic_error);
}

TEST(ClipGradients, EqualsTorch) {
  for (const double max_norm : {0.5, 2.0, 1e6}) {
    Pair ours, theirs;
    ours.set_gradients(0);
    theirs.set_gradients(0);
    const double expected = torch::nn::utils::clip_grad_norm_({theirs.matrix_IO, theirs.vector}, max_norm);
    EXPECT_NEAR(clip_gradients(ours.groups(), max_norm), expected, 1e-6 * expected);
    EXPECT_LT((ours.matrix_IO.grad() - theirs.matrix_IO.grad()).abs().max().item<double>(), 1e-6);
    EXPECT_LT((ours.vector.grad() - theirs.vector.grad()).abs().max().item<double>(), 1e-6);
  }
}

TEST(ClipGradients, ZeroMeansNever) {
  Pair pair;
  pair.set_gradients(0);
  const torch::Tensor before = pair.vector.grad().clone();
  EXPECT_GT(clip_gradients(pair.groups(), 0), 1);
  EXPECT_TRUE(pair.vector.grad().equal(before));
}

}  // namespace
}  // namespace usam
