// How far language models whose weights are kept in fewer bits are from the references.
#include <gtest/gtest.h>

#include "src/io/safetensors.h"
#include "src/models/llama/build.h"
#include "src/models/qwen/config.h"
#include "src/nn/lora.h"
#include "tests/support.h"

namespace usam {
namespace {

std::shared_ptr<llama::Decoder> open(const std::string& name, KeptStore store) {
  llama::Config config;
  config.path.value = (test::oracle_folder() / name).string();
  config.store = store;
  auto model = llama::build(config, name.starts_with("qwen2") ? qwen::kQwen2 : llama::kLlama, {});
  model->eval();
  return model;
}

torch::Tensor logits_of(llama::Decoder& model, const torch::Tensor& ids_BT) {
  const auto positions_BT = torch::arange(ids_BT.size(1)).expand({ids_BT.size(0), ids_BT.size(1)});
  return model.logits(model.forward(model.embed(ids_BT), positions_BT, torch::ones_like(ids_BT)));
}

// The logits of random models of three layers: three to four times the error of one product (docs/precision.md).
TEST(FewerBits, OfLanguageModels) {
  USAM_NEEDS_ORACLES();
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"llama", "qwen2", "qwen2-untied"}) {
    if (!std::filesystem::exists(test::oracle_folder() / name / "golden.safetensors")) continue;
    const io::SafetensorsFile golden((test::oracle_folder() / name / "golden.safetensors").string());
    const auto expected = golden.get("plain/logits");
    for (auto [store, tolerance] : {std::pair(KeptStore::kBFloat16, 1e-2),
                                    {KeptStore::kBFloat16Dynamic, 2e-2},
                                    {KeptStore::kInt8, 4e-2},
                                    {KeptStore::kInt8Dynamic, 5e-2},
                                    {KeptStore::kNf4, 0.5}}) {
      const auto logits = logits_of(*open(name, store), golden.get("plain/input_ids"));
      const double error = ((logits - expected).pow(2).mean() / expected.pow(2).mean()).sqrt().item<double>();
      std::printf("%s %d %.2e\n", name.c_str(), static_cast<int>(store), error);
      EXPECT_LT(error, tolerance) << name;
      EXPECT_GT(error, 1e-6) << name;
    }
  }
}

// Gradients of a sum over log probabilities with respect to the updates of `lora` on a frozen model.
std::vector<torch::Tensor> gradients_of_updates(llama::Decoder& model) {
  const nn::LoraConfig lora{.rank = 4, .alpha = 8, .dropout = 0, .targets = {"q_proj", "v_proj", "down_proj"}};
  for (auto& parameter : model.parameters()) parameter.requires_grad_(false);
  nn::attach_lora(model, lora, 7);
  for (auto& parameter : model.named_parameters())  // B is zero at first
    if (parameter.key().ends_with("lora_B.weight")) parameter.value().data().fill_(0.01);
  const auto ids_BT = torch::arange(1, 41).view({2, 20});
  logits_of(model, ids_BT).log_softmax(-1).select(2, 3).sum().backward();
  std::vector<torch::Tensor> gradients;
  for (auto& parameter : model.parameters())
    if (parameter.requires_grad()) gradients.push_back(parameter.grad());
  return gradients;
}

// Updates that are trained on a base in fewer bits get the gradients that they get on the values which it stands for.
TEST(FewerBits, GradientsOfUpdatesAreThoseOfTheValues) {
  USAM_NEEDS_ORACLES();
  for (KeptStore store : {KeptStore::kInt8, KeptStore::kNf4, KeptStore::kBFloat16}) {
    const auto bits = open("llama", store), values = open("llama", KeptStore::kDtype);
    {
      const torch::NoGradGuard no_grad;
      const auto dense = values->named_modules();
      for (const auto& item : bits->named_modules())
        if (const auto* linear = item.value()->as<nn::Linear>())
          dense[item.key()]->as<nn::Linear>()->weight.copy_(linear->values());
    }
    const auto got = gradients_of_updates(*bits), expected = gradients_of_updates(*values);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      const double scale = expected[i].abs().max().item<double>();
      EXPECT_LT((got[i] - expected[i]).abs().max().item<double>(), 1e-5 * scale) << i;
    }
  }
}

// Stores that round activations round what comes back too: relative errors of all updates' gradients together.
TEST(FewerBits, GradientsThroughRoundedRows) {
  USAM_NEEDS_ORACLES();
  const auto flat = [](const std::string& name, KeptStore store) {
    std::vector<torch::Tensor> all;
    for (const auto& gradient : gradients_of_updates(*open(name, store))) all.push_back(gradient.flatten());
    return torch::cat(all);
  };
  for (const std::string name : {"llama", "qwen2", "qwen2-untied"}) {
    const auto expected = flat(name, KeptStore::kDtype);
    for (auto [store, tolerance] :
         {std::pair(KeptStore::kBFloat16Dynamic, 3e-2), {KeptStore::kInt8, 6e-2}, {KeptStore::kInt8Dynamic, 1e-1}}) {
      const double error = ((flat(name, store) - expected).norm() / expected.norm()).item<double>();
      std::printf("%s %d %.2e\n", name.c_str(), static_cast<int>(store), error);
      EXPECT_LT(error, tolerance) << name;
      EXPECT_GT(error, 1e-6) << name;
    }
  }
}

}  // namespace
}  // namespace usam
