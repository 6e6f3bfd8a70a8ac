#include "src/nn/lora.h"

#include <ATen/autocast_mode.h>

#include "src/base/config_yaml.h"
#include "src/nn/freeze.h"
#include "tests/support.h"

namespace usam::nn {
namespace {

using test::message_of;

struct Inner : torch::nn::Module {
  Inner() {
    register_module("q_proj", q_proj);
    register_module("v_proj", v_proj);
  }
  Linear q_proj{6, 4, false}, v_proj{6, 4};
};

struct LoraNet : torch::nn::Module {
  LoraNet() {
    a = register_module("a", std::make_shared<Inner>());
    b = register_module("b", std::make_shared<Inner>());
  }
  std::shared_ptr<Inner> a, b;
};

LoraConfig config_of(std::vector<std::string> targets) {
  return {.rank = 2, .alpha = 6, .dropout = 0, .targets = std::move(targets)};
}

TEST(Lora, AddsTheScaledProductAndNamesItAsPeftDoes) {
  LoraNet net;
  EXPECT_EQ(attach_lora(net, config_of({"q_proj"}), 1), (std::vector<std::string>{"a.q_proj", "b.q_proj"}));
  auto parameters = net.named_parameters();
  auto a = parameters["a.q_proj.lora_A.weight"], b = parameters["a.q_proj.lora_B.weight"];
  EXPECT_EQ(a.sizes(), (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(b.sizes(), (std::vector<int64_t>{4, 2}));
  const auto x = torch::randn({3, 6});
  const auto before = torch::linear(x, net.a->q_proj->weight);
  EXPECT_TRUE(net.a->q_proj(x).equal(before)) << "B is 0 at first";
  torch::NoGradGuard no_grad;
  b.normal_();
  EXPECT_TRUE(torch::allclose(net.a->q_proj(x), before + 3 * x.matmul(a.t()).matmul(b.t()), 1e-5, 1e-6));
}

TEST(Lora, TargetsMayBeLongerSuffixesOrWholePaths) {
  LoraNet net;
  EXPECT_EQ(attach_lora(net, config_of({"b.q_proj", "v_proj"}), 1),
            (std::vector<std::string>{"a.v_proj", "b.q_proj", "b.v_proj"}));
}

TEST(Lora, RefusesATargetThatMatchesNothing) {
  LoraNet net;
  EXPECT_EQ(message_of([&] { attach_lora(net, config_of({"q_proj", "query"}), 1); }),
            "lora.targets: no linear layer's path ends with 'query'; the layers' names are q_proj and v_proj");
  EXPECT_EQ(message_of([&] { attach_lora(net, config_of({"proj"}), 1); }),
            "lora.targets: no linear layer's path ends with 'proj'; the layers' names are q_proj and v_proj");
  EXPECT_EQ(net.named_parameters().size(), 6u) << "nothing was attached";
}

TEST(Lora, InitialValuesAreAFunctionOfSeedNameAndPath) {
  auto a_of = [](uint64_t seed, const std::string& name, std::vector<std::string> targets) {
    LoraNet net;
    attach_lora(net, config_of(std::move(targets)), seed, name);
    return net.named_parameters()["b.q_proj.lora_A.weight"].detach().clone();
  };
  const auto first = a_of(1, "llm", {"q_proj"});
  EXPECT_TRUE(first.equal(a_of(1, "llm", {"v_proj", "b.q_proj"})));
  EXPECT_FALSE(first.equal(a_of(2, "llm", {"q_proj"})));
  EXPECT_FALSE(first.equal(a_of(1, "whisper", {"q_proj"})));
  EXPECT_LE(first.abs().max().item<double>(), 1 / std::sqrt(6.0));
  EXPECT_GT(first.std().item<double>(), 0.1);
}

TEST(Lora, DropsInputsInTrainingOnly) {
  LoraNet net;
  auto config = config_of({"q_proj"});
  config.dropout = 0.5;
  attach_lora(net, config, 1);
  torch::NoGradGuard no_grad;
  net.named_parameters()["a.q_proj.lora_B.weight"].fill_(1);
  const auto x = torch::ones({64, 6});
  net.train();
  EXPECT_GT(net.a->q_proj(x).std(0).max().item<double>(), 0.01) << "rows of equal input differ";
  net.eval();
  EXPECT_LT(net.a->q_proj(x).std(0).max().item<double>(), 1e-6);
}

TEST(Lora, StaysInFullPrecisionOnALayerOfLowPrecision) {
  LoraNet net;
  net.to(torch::kBFloat16);
  set_trainable(net, {"*"}, false);
  attach_lora(net, config_of({"q_proj"}), 1);
  auto b = net.named_parameters()["a.q_proj.lora_B.weight"];
  EXPECT_EQ(b.scalar_type(), torch::kFloat);
  EXPECT_TRUE(b.requires_grad());
  const auto y = net.a->q_proj(torch::ones({1, 6}, torch::kBFloat16));
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  y.sum().backward();
  EXPECT_GT(b.grad().abs().sum().item<double>(), 0);
}

// Output, and gradients of x, A and B; `general` goes through LinearUpdate's own way.
std::vector<torch::Tensor> values_and_gradients(Linear& layer, const torch::Tensor& x_given, bool general) {
  auto& update = *layer->update();
  layer->zero_grad();
  const auto x = x_given.detach().clone().requires_grad_(x_given.requires_grad());
  torch::manual_seed(5);
  auto y = general ? update.LinearUpdate::updated(*layer, x) : layer(x);
  (y * torch::linspace(-1, 1, y.numel()).view(y.sizes()).to(y.scalar_type())).sum().backward();
  std::vector<torch::Tensor> out = {y.detach()};
  if (x.requires_grad()) out.push_back(x.grad());
  for (const auto& child : layer->named_parameters())
    if (child.value().requires_grad()) out.push_back(child.value().grad().clone());
  return out;
}

void expect_same_both_ways(Linear& layer, const torch::Tensor& x, double tolerance = 2e-6) {
  const auto fused = values_and_gradients(layer, x, false), general = values_and_gradients(layer, x, true);
  ASSERT_EQ(fused.size(), general.size());
  for (size_t i = 0; i < fused.size(); ++i) {
    EXPECT_EQ(fused[i].scalar_type(), general[i].scalar_type());
    EXPECT_EQ(fused[i].sizes(), general[i].sizes());
    const double scale = std::max(1.0, general[i].abs().max().item<double>());
    EXPECT_LT((fused[i] - general[i]).abs().max().item<double>(), tolerance * scale) << "tensor " << i;
  }
}

Linear updated_layer(bool with_bias, double dropout, torch::ScalarType type = torch::kFloat) {
  Linear layer(6, 4, with_bias);
  layer->to(type);
  set_trainable(*layer, {"*"}, false);
  auto update = std::make_shared<LoraUpdate>(6, 4, LoraConfig{.rank = 2, .alpha = 6, .dropout = dropout});
  layer->attach(update);
  const torch::NoGradGuard no_grad;
  layer->named_parameters()["lora_B.weight"].normal_();
  return layer;
}

TEST(Lora, InOneGoItIsTheLayerAndTheUpdate) {
  torch::manual_seed(1);
  for (const double dropout : {0.0, 0.4}) {
    for (const bool with_bias : {true, false}) {
      auto layer = updated_layer(with_bias, dropout);
      expect_same_both_ways(layer, torch::randn({5, 7, 6}).requires_grad_());
      expect_same_both_ways(layer, torch::randn({9, 6}).requires_grad_());
      expect_same_both_ways(layer, torch::randn({9, 6}));  // the first layer of frozen embeddings
      expect_same_both_ways(layer, torch::randn({6, 9}).t().requires_grad_());
      layer->eval();
      expect_same_both_ways(layer, torch::randn({9, 6}).requires_grad_());
    }
  }
}

struct AutocastToBf16 {
  AutocastToBf16() { set(true); }
  ~AutocastToBf16() {
    at::autocast::clear_cache();
    set(false);
  }
  static void set(bool on) {
    at::autocast::set_autocast_dtype(torch::kCPU, torch::kBFloat16);
    at::autocast::set_autocast_enabled(torch::kCPU, on);
  }
};

TEST(Lora, InOneGoInLowPrecisionToo) {
  torch::manual_seed(2);
  for (const double dropout : {0.0, 0.4}) {
    auto low = updated_layer(true, dropout, torch::kBFloat16);
    expect_same_both_ways(low, torch::randn({9, 6}).to(torch::kBFloat16).requires_grad_(), 0.02);
    auto layer = updated_layer(true, dropout);
    const AutocastToBf16 autocast;
    expect_same_both_ways(layer, torch::randn({9, 6}).requires_grad_(), 0.03);
  }
}

TEST(Lora, OnAFrozenLayerItIsOneNodeAndKeepsXOnce) {
  auto layer = updated_layer(true, 0.1);
  const auto x = torch::randn({9, 6}).requires_grad_();
  const auto held = x.storage().use_count();
  const auto y = layer(x);
  EXPECT_EQ(y.grad_fn()->next_edge(0).function, torch::autograd::impl::gradient_edge(x).function);
  EXPECT_LE(x.storage().use_count(), held + 1);
  const torch::NoGradGuard no_grad;
  EXPECT_FALSE(layer(x).requires_grad());
}

TEST(Lora, OnATrainedLayerTheWeightHasItsGradientToo) {
  auto layer = updated_layer(true, 0);
  layer->weight.requires_grad_();
  expect_same_both_ways(layer, torch::randn({9, 6}).requires_grad_());
  EXPECT_GT(layer->weight.grad().abs().sum().item<double>(), 0);
}

// The graph may be all that is left of a model.
TEST(Lora, TheLayerLivesAsLongAsItsGraph) {
  auto x = torch::randn({3, 6}).requires_grad_();
  torch::Tensor loss;
  {
    auto layer = updated_layer(true, 0);
    loss = layer(x).sum();
  }
  loss.backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(Lora, ConfigRefusesAnEmptyListOfTargets) {
  test::TemporaryFolder folder;
  LoraConfig config;
  const auto file = folder.write("lora.yaml", "rank: 4\ntargets: []\n");
  const auto message = message_of([&] { load_config(file, {}, config); });
  EXPECT_NE(message.find("'targets' is empty: name at least one linear layer"), std::string::npos) << message;
  EXPECT_NE(message.find("lora.yaml:1:"), std::string::npos) << message;
}

}  // namespace
}  // namespace usam::nn
