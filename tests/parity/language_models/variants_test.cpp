// Folders beyond those of peer/make_oracles.py (make_variants.py writes them): sliding windows, linear rope, biases,
// old and resized and half-named folders. Opened by their model_type, as the programs do.
#include <gtest/gtest.h>

#include "src/io/weights.h"
#include "src/models/llama/config.h"
#include "src/models/llama/model.h"
#include "src/models/model_registry.h"
#include "tests/parity/language_models/new_ids.h"
#include "tests/parity/note.h"
#include "tests/support.h"

namespace usam {
namespace {

using torch::Tensor;

std::shared_ptr<llama::Decoder> open_folder(const std::string& folder) {
  const auto& registry = language_model_registry();
  const auto model_type = io::read_folder_json(folder, "config.json").at("model_type").get<std::string>();
  Part part{registry.types_of_folders().at(model_type), registry.choices().at(model_type)()};
  ConfigNode node = ConfigNode::map();
  node.add("type", ConfigNode::scalar(part.type, true));
  node.add("path", ConfigNode::scalar(folder, true));
  ParseContext context(false);
  parse_part(node, context, part, registry.choices(), "");
  auto model = std::dynamic_pointer_cast<llama::Decoder>(registry.build(part, {.name = "llm"}));
  model->eval();
  return model;
}

class LanguageModelVariant : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    USAM_NEEDS_ORACLES();
    folder_ = (test::oracle_folder() / "variants" / GetParam()).string();
    golden_.emplace(folder_ + "/golden.safetensors");
    model_ = open_folder(folder_);
  }
  static Tensor positions(const Tensor& ids_BT) {
    return torch::arange(ids_BT.size(1)).expand({ids_BT.size(0), ids_BT.size(1)});
  }
  double error(const std::string& what, const Tensor& got, const std::string& expected) const {
    return test::noted_error(GetParam(), what, got, golden_->get(expected)).relative;
  }

  torch::NoGradGuard no_grad_;
  std::string folder_;
  std::optional<io::SafetensorsFile> golden_;
  std::shared_ptr<llama::Decoder> model_;
};

TEST_P(LanguageModelVariant, LogitsAndHiddenStates) {
  const auto ids = golden_->get("plain/input_ids"), segments = torch::ones_like(ids);
  const auto states = model_->states(model_->embed(ids), positions(ids), segments);
  for (size_t i = 0; i < states.size(); ++i)
    EXPECT_LT(error("hidden states", states[i], "plain/hidden." + std::to_string(i)), 1e-4) << i;
  const auto hidden = model_->forward(model_->embed(ids), positions(ids), segments);
  EXPECT_LT(error("logits", model_->logits(hidden), "plain/logits"), 1e-4);
}

TEST_P(LanguageModelVariant, APromptAtATimeThroughTheCache) {
  const auto ids = golden_->get("plain/input_ids");
  auto cache = model_->make_cache();
  std::vector<Tensor> pieces;
  const int64_t ends[] = {7, 8, 9, 22, 23, 40};
  int64_t begin = 0;
  for (const int64_t end : ends) {
    const auto piece = ids.slice(1, begin, end);
    pieces.push_back(
        model_->forward(model_->embed(piece), positions(piece) + begin, torch::ones_like(piece), cache.get()));
    begin = end;
  }
  EXPECT_LT(error("logits through the cache", model_->logits(torch::cat(pieces, 1)), "plain/logits"), 1e-4);
}

TEST_P(LanguageModelVariant, GreedyIdsOfAPaddedBatch) {
  const auto ids = golden_->get("greedy/input_ids"), mask = golden_->get("greedy/attention_mask");
  const auto got = test::decode(*model_, test::to_front(model_->embed(ids), mask), mask.sum(1), folder_);
  EXPECT_EQ(got, test::new_ids(golden_->get("greedy/sequences"), ids.size(1), folder_));
}

INSTANTIATE_TEST_SUITE_P(Folders, LanguageModelVariant,
                         testing::Values("mistral", "mistral-null", "llama-linear", "llama-biases", "llama-old",
                                         "llama-trunk", "llama-resized", "llama-not-tied", "qwen2-sliding",
                                         "qwen2-layer-types", "qwen3-untied"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(LanguageModelVariants, AreWhatTheyAreNamedFor) {
  USAM_NEEDS_ORACLES();
  const auto sizes = [](const std::string& name) {
    return open_folder((test::oracle_folder() / "variants" / name).string())->sizes();
  };
  EXPECT_EQ(sizes("mistral").window, 8);
  EXPECT_TRUE(sizes("mistral-null").has_window.empty());
  EXPECT_EQ(sizes("qwen2-sliding").has_window, (std::vector<bool>{false, true, true}));
  EXPECT_EQ(sizes("qwen2-layer-types").has_window, (std::vector<bool>{true, false, true}));
  EXPECT_EQ(sizes("llama-linear").rope_scaling, nn::RopeScaling(nn::LinearRopeScaling{4}));
  EXPECT_TRUE(sizes("llama-biases").has_mlp_bias);
  EXPECT_EQ(sizes("llama-resized").vocab, 157);
  EXPECT_FALSE(sizes("llama-not-tied").is_tied);
  EXPECT_TRUE(sizes("llama-trunk").is_tied);
}

}  // namespace
}  // namespace usam
