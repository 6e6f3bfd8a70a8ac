// Llama, Qwen2 and Qwen3 against transformers and peft: goldens that peer/make_oracles.py wrote.
#include <gtest/gtest.h>

#include "src/decode/score.h"
#include "src/io/weights.h"
#include "src/models/llama/build.h"
#include "src/models/qwen/config.h"
#include "src/nn/freeze.h"
#include "src/nn/lora.h"
#include "tests/parity/language_models/new_ids.h"
#include "tests/parity/note.h"
#include "tests/support.h"

namespace usam {
namespace {

using test::Ids;
using test::to_front;
using torch::Tensor;

class LanguageModelParity : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    USAM_NEEDS_ORACLES();
    folder_ = (test::oracle_folder() / GetParam()).string();
    golden_.emplace(folder_ + "/golden.safetensors");
    const std::string type = GetParam().substr(0, 5);
    family_ = type == "qwen2" ? qwen::kQwen2 : type == "qwen3" ? qwen::kQwen3 : llama::kLlama;
    llama::Config config;
    config.path.value = folder_;
    model_ = llama::build(config, family_, {});
    model_->eval();
  }

  Tensor golden(const std::string& name) const { return golden_->get(name).clone(); }
  static Tensor ordered_positions(const Tensor& ids_BT) {
    return torch::arange(ids_BT.size(1)).expand({ids_BT.size(0), ids_BT.size(1)});
  }
  Tensor logits_of(const Tensor& ids_BT, const Tensor& positions_BT, const Tensor& segments_BT) {
    return model_->logits(model_->forward(model_->embed(ids_BT), positions_BT, segments_BT));
  }
  static void expect_near(const Tensor& got, const Tensor& expected, double tolerance, const std::string& what) {
    EXPECT_LT(test::noted_error(GetParam(), what, got, expected).absolute, tolerance) << what;
  }

  Ids new_ids(const Tensor& sequences_BT, int64_t prompt) const { return test::new_ids(sequences_BT, prompt, folder_); }
  Ids decode(const Tensor& prompts_BTD, const Tensor& lengths_B) {
    return test::decode(*model_, prompts_BTD, lengths_B, folder_);
  }

  std::string folder_;
  llama::Family family_;
  std::optional<io::SafetensorsFile> golden_;
  std::shared_ptr<llama::Decoder> model_;
};

TEST_P(LanguageModelParity, RotaryFrequencies) {
  expect_near(model_->rope_frequencies(), golden("rope/inv_freq"), 1e-7, "inv_freq");
}

TEST_P(LanguageModelParity, LogitsAndHiddenStates) {
  torch::NoGradGuard no_grad;
  const auto ids = golden("plain/input_ids"), segments = torch::ones_like(ids);
  expect_near(logits_of(ids, ordered_positions(ids), segments), golden("plain/logits"), 1e-4, "logits");
  const auto states = model_->states(model_->embed(ids), ordered_positions(ids), segments);
  for (size_t i = 0; i < states.size(); ++i)
    expect_near(states[i], golden("plain/hidden." + std::to_string(i)), 1e-4, "hidden states");
}

TEST_P(LanguageModelParity, TwoHundredPositions) {
  torch::NoGradGuard no_grad;
  const auto ids = golden("long/input_ids");
  expect_near(logits_of(ids, ordered_positions(ids), torch::ones_like(ids)), golden("long/logits"), 1e-4, "logits");
}

TEST_P(LanguageModelParity, RightPadding) {
  torch::NoGradGuard no_grad;
  const auto ids = golden("right_pad/input_ids"), mask = golden("right_pad/attention_mask");
  const auto valid = mask.to(torch::kBool);
  const auto got = logits_of(ids, ordered_positions(ids), mask);
  expect_near(got.index({valid}), golden("right_pad/logits").index({valid}), 1e-4, "logits");
  EXPECT_TRUE(got.isfinite().all().item<bool>());
}

TEST_P(LanguageModelParity, LeftPadding) {
  torch::NoGradGuard no_grad;
  const auto ids = golden("left_pad/input_ids"), mask = golden("left_pad/attention_mask");
  const auto valid = mask.to(torch::kBool);
  const auto got = logits_of(ids, golden("left_pad/position_ids"), mask);
  expect_near(got.index({valid}), golden("left_pad/logits").index({valid}), 1e-4, "logits");
  EXPECT_TRUE(got.isfinite().all().item<bool>());
}

TEST_P(LanguageModelParity, Embeddings) {
  torch::NoGradGuard no_grad;
  const auto embeds = golden("embeds/inputs_embeds");
  const auto positions = torch::arange(embeds.size(1)).expand({embeds.size(0), embeds.size(1)});
  const auto got = model_->logits(model_->forward(embeds, positions, torch::ones_like(positions)));
  expect_near(got, golden("embeds/logits"), 1e-4, "logits");
}

TEST_P(LanguageModelParity, GreedyIds) {
  torch::NoGradGuard no_grad;
  const auto ids = golden("greedy/input_ids");
  const int64_t length = ids.size(1);
  EXPECT_EQ(decode(model_->embed(ids), torch::tensor({length})), new_ids(golden("greedy/sequences"), length));
}

TEST_P(LanguageModelParity, GreedyLogitsOfEveryStep) {
  torch::NoGradGuard no_grad;
  const auto sequence = golden("greedy/sequences"), expected = golden("greedy/step_logits");
  const int64_t prompt = golden("greedy/input_ids").size(1);
  auto cache = model_->make_cache();
  for (int64_t step = 0; step < expected.size(1); ++step) {
    const int64_t begin = step == 0 ? 0 : prompt + step - 1, end = prompt + step;
    const auto positions = torch::arange(begin, end).unsqueeze(0);
    const auto hidden = model_->forward(model_->embed(sequence.slice(1, begin, end)), positions,
                                        torch::ones_like(positions), cache.get());
    expect_near(model_->logits(hidden.select(1, -1)), expected.select(1, step), 1e-4, "logits of greedy steps");
  }
  EXPECT_EQ(cache->length(), prompt + expected.size(1) - 1);
}

TEST_P(LanguageModelParity, GreedyBatchIds) {
  torch::NoGradGuard no_grad;
  const auto ids = golden("greedy_batch/input_ids"), mask = golden("greedy_batch/attention_mask");
  const auto got = decode(to_front(model_->embed(ids), mask), mask.sum(1));
  EXPECT_EQ(got, new_ids(golden("greedy_batch/sequences"), ids.size(1)));
}

TEST_P(LanguageModelParity, GreedyIdsFromEmbeddings) {
  torch::NoGradGuard no_grad;
  const auto embeds = golden("greedy_embeds/inputs_embeds"), mask = golden("greedy_embeds/attention_mask");
  EXPECT_EQ(decode(to_front(embeds, mask), mask.sum(1)), new_ids(golden("greedy_embeds/sequences"), 0));
}

TEST_P(LanguageModelParity, LeftPaddedPromptDecodesTheSame) {
  torch::NoGradGuard no_grad;
  const auto embeds = golden("greedy_embeds/inputs_embeds"), mask = golden("greedy_embeds/attention_mask");
  const auto expected = golden("greedy_embeds/sequences");
  auto cache = model_->make_cache();
  auto positions = (mask.cumsum(1) - 1).clamp_min(0);
  auto hidden = model_->forward(embeds, positions, mask, cache.get()).select(1, -1);
  for (int64_t step = 0; step < 4; ++step) {
    const auto ids = model_->logits(hidden).argmax(-1);
    ASSERT_TRUE(ids.equal(expected.select(1, step))) << "step " << step;
    positions = (mask.sum(1) + step).unsqueeze(1);
    hidden = model_->forward(model_->embed(ids.unsqueeze(1)), positions, torch::ones_like(positions), cache.get())
                 .select(1, -1);
  }
}

TEST_P(LanguageModelParity, LoraLogitsLossAndGradients) {
  nn::set_trainable(*model_, {"*"}, false);
  const auto updated = nn::attach_lora(*model_, {}, 1);
  EXPECT_EQ(updated.size(), 6u);
  io::LoadOptions options;
  const std::string prefix = "base_model.model.";
  options.rename = [&](const std::string& name) { return name.substr(prefix.size()); };
  options.optional = [](const std::string& path) { return path.find("lora_") == std::string::npos; };
  io::load_weights(*model_, io::WeightFiles(folder_ + "/lora/adapter_model.safetensors"), options);

  const auto ids = golden("plain/input_ids"), labels = golden("lora/labels");
  const auto logits = logits_of(ids, ordered_positions(ids), torch::ones_like(ids));
  expect_near(logits, golden("lora/logits"), 1e-4, "logits");
  const auto loss = torch::cross_entropy_loss(logits.slice(1, 0, -1).flatten(0, 1), labels.slice(1, 1).flatten(), {},
                                              at::Reduction::Mean, -100);
  expect_near(loss, golden("lora/loss"), 1e-5, "loss");
  loss.backward();
  int64_t compared = 0;
  for (auto& item : model_->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const auto expected = golden("lora/grad." + prefix + item.key());
    expect_near(item.value().grad(), expected, 1e-4 * expected.abs().max().item<double>(), "gradients of LoRA");
    ++compared;
  }
  EXPECT_EQ(compared, 12);
}

TEST_P(LanguageModelParity, KeptInTheFoldersOwnType) {
  torch::NoGradGuard no_grad;
  llama::Config config;
  config.path.value = folder_;
  config.dtype = KeptDtype::kAuto;
  const auto kept = llama::build(config, family_, {});
  const auto ids = golden("plain/input_ids");
  const auto hidden = kept->forward(kept->embed(ids), ordered_positions(ids), torch::ones_like(ids));
  const bool is_low = golden_->contains("plain_low/logits");
  EXPECT_EQ(hidden.scalar_type(), is_low ? torch::kBFloat16 : torch::kFloat);
  const auto expected = golden(is_low ? "plain_low/logits" : "plain/logits").to(torch::kFloat);
  expect_near(kept->logits(hidden).to(torch::kFloat), expected, is_low ? 0.1 : 1e-4,
              is_low ? "logits in bfloat16" : "logits");
}

TEST_P(LanguageModelParity, ScoreIsTheMeanLogProbabilityOfPlainLogits) {
  torch::NoGradGuard no_grad;
  const auto ids = golden("plain/input_ids")[0];
  const auto log_p = golden("plain/logits")[0].log_softmax(-1);
  double expected = 0;
  decode::Ids continuation;
  for (int64_t t = 17; t < 23; ++t) {
    continuation.push_back(ids[t].item<int64_t>());
    expected += log_p[t - 1][continuation.back()].item<double>() / 6;
  }
  const auto prompt = model_->embed(ids.slice(0, 0, 17)).unsqueeze(0);
  const auto scores = decode::score(*model_, prompt, torch::tensor({17}), {{{5}, continuation, {7, 8, 9}}});
  EXPECT_NEAR(scores[0][1], expected, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Folders, LanguageModelParity,
                         testing::Values("llama", "llama-legacy-config", "llama-tied-bf16", "llama-sharded", "qwen2",
                                         "qwen2-untied", "qwen3"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace usam
