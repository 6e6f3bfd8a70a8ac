// Hugging Face folders: what is read out of config.json and generation_config.json, and what is refused.
#include "src/base/json.h"
#include "src/io/safetensors.h"
#include "src/models/generation_config.h"
#include "src/models/llama/build.h"
#include "src/models/qwen/config.h"
#include "tests/support.h"

namespace usam {
namespace {

using test::message_of;

class LanguageModelFolder : public testing::Test {
 protected:
  // Writes config.json with `change` merged over a small Llama's and returns what reading it says.
  std::string problem_with(const Json& change, const llama::Family& family = llama::kLlama) {
    write_config(change, family);
    auto message = message_of([&] { llama::read_sizes(path_, family); });
    const std::string file = path_ + "/config.json: ";
    return message.starts_with(file) ? message.substr(file.size()) : message;
  }
  void write_config(const Json& change, const llama::Family& family = llama::kLlama) {
    Json config = {{"model_type", std::string(family.model_type)},
                   {"vocab_size", 20},
                   {"hidden_size", 8},
                   {"num_hidden_layers", 2},
                   {"num_attention_heads", 4},
                   {"num_key_value_heads", 2},
                   {"intermediate_size", 12}};
    if (!change.is_null()) config.merge_patch(change);  // Json{} is null
    folder_.write("config.json", config.dump());
  }
  // A model of the folder's sizes, saved as weights with `rename` applied to the paths.
  std::shared_ptr<llama::Decoder> write_weights(bool with_head_and_buffer = false) {
    auto model = std::make_shared<llama::Decoder>(llama::read_sizes(path_, llama::kLlama), llama::kLlama);
    torch::NoGradGuard no_grad;
    io::NamedTensors tensors;
    for (auto& item : model->named_parameters()) {
      item.value().normal_();
      tensors.emplace_back(item.key(), item.value());
    }
    if (with_head_and_buffer) {
      tensors.emplace_back("lm_head.weight", torch::zeros({20, 8}));
      tensors.emplace_back("model.layers.0.self_attn.rotary_emb.inv_freq", torch::zeros({1}));
    }
    io::write_safetensors(path_ + "/model.safetensors", tensors);
    return model;
  }
  llama::Config pretrained() const {
    llama::Config config;
    config.path.value = path_;
    return config;
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.path().string();
};

TEST_F(LanguageModelFolder, DefaultsAreThoseOfTransformers) {
  write_config({{"num_key_value_heads", nullptr}});
  const auto sizes = llama::read_sizes(path_, llama::kLlama);
  EXPECT_EQ(sizes.kv_heads, 4);
  EXPECT_EQ(sizes.head_dim, 2);
  EXPECT_EQ(sizes.rope_theta, 10000);
  EXPECT_EQ(sizes.norm_eps, 1e-6);
  EXPECT_FALSE(sizes.is_tied);
  EXPECT_EQ(sizes.rope_scaling, nn::RopeScaling());
  write_config({}, qwen::kQwen3);
  EXPECT_EQ(llama::read_sizes(path_, qwen::kQwen3).head_dim, 128);
}

TEST_F(LanguageModelFolder, BothSpellingsOfTheRotaryEmbedding) {
  const Json scaling = {{"rope_type", "llama3"},
                        {"factor", 32.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 8192}};
  write_config({{"rope_theta", 5e5}, {"rope_scaling", scaling}});
  const auto old = llama::read_sizes(path_, llama::kLlama);
  Json inside = scaling;
  inside["rope_theta"] = 5e5;
  write_config({{"rope_parameters", inside}});
  const auto now = llama::read_sizes(path_, llama::kLlama);
  EXPECT_EQ(old.rope_theta, 5e5);
  EXPECT_EQ(now.rope_theta, 5e5);
  EXPECT_EQ(old.rope_scaling, nn::RopeScaling(nn::Llama3RopeScaling{32, 1, 4, 8192}));
  EXPECT_EQ(now.rope_scaling, old.rope_scaling);
}

TEST_F(LanguageModelFolder, RefusesWhatIsNotBuiltByName) {
  EXPECT_EQ(problem_with({{"model_type", "mistral"}}),
            "model_type is 'mistral', but 'type: llama' reads 'llama' folders");
  EXPECT_EQ(problem_with({{"rope_scaling", {{"type", "yarn"}, {"factor", 4.0}}}}),
            "rope type 'yarn' (only 'default' and 'llama3') is not supported by usam");
  EXPECT_EQ(problem_with({{"rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}}}}),
            "rope type 'linear' (only 'default' and 'llama3') is not supported by usam");
  EXPECT_EQ(problem_with({{"partial_rotary_factor", 0.5}}), "partial_rotary_factor below 1 is not supported by usam");
  EXPECT_EQ(problem_with({{"attention_bias", true}}), "attention_bias true is not supported by usam");
  EXPECT_EQ(problem_with({{"mlp_bias", true}}), "mlp_bias true is not supported by usam");
  EXPECT_EQ(problem_with({{"hidden_act", "gelu"}}), "hidden_act 'gelu' (only 'silu') is not supported by usam");
  EXPECT_EQ(problem_with({{"attention_dropout", 0.1}}), "attention_dropout above 0 is not supported by usam");
  EXPECT_EQ(problem_with({{"quantization_config", {{"bits", 4}}}}),
            "quantization_config (quantised weights) is not supported by usam");
  EXPECT_EQ(problem_with({{"layer_types", {"full_attention", "linear_attention"}}}, qwen::kQwen3),
            "layer type \"linear_attention\" is not supported by usam");
}

TEST_F(LanguageModelFolder, RefusesASlidingWindowOnlyWhereItWouldAct) {
  const Json window = {{"use_sliding_window", true}, {"sliding_window", 512}, {"max_window_layers", 1}};
  const std::string refusal = "use_sliding_window with sliding_window 512 is not supported by usam";
  EXPECT_EQ(problem_with(window, qwen::kQwen2), refusal);
  Json idle = window;
  idle["use_sliding_window"] = false;  // as Qwen2 and Qwen2.5 are published
  EXPECT_EQ(problem_with(idle, qwen::kQwen2), "");
  idle = window;
  idle["max_window_layers"] = 2;
  EXPECT_EQ(problem_with(idle, qwen::kQwen2), "");
  idle = window;
  idle["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_EQ(problem_with(idle, qwen::kQwen2), "");
  idle["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(problem_with(idle, qwen::kQwen2), refusal);
}

TEST_F(LanguageModelFolder, SaysWhatIsMalformed) {
  EXPECT_EQ(problem_with({{"hidden_size", nullptr}}), "'hidden_size' is missing");
  EXPECT_EQ(problem_with({{"hidden_size", "wide"}}),
            "'hidden_size' is \"wide\", which is not of the type it should be");
  EXPECT_EQ(problem_with({{"vocab_size", 0}}), "'vocab_size' is 0; it must be at least 1");
  EXPECT_EQ(problem_with({{"rope_scaling", "llama3"}}), "'rope_scaling' is not a map");
  EXPECT_EQ(problem_with({{"rope_scaling", {{"rope_type", "llama3"}}}}), "'factor' is missing");
  EXPECT_EQ(problem_with({{"num_key_value_heads", 3}}),
            "num_attention_heads 4 is not a multiple of num_key_value_heads 3");
  EXPECT_EQ(problem_with({{"head_dim", 3}}), "heads of odd width 3 cannot be rotated");
  EXPECT_EQ(problem_with({{"rope_theta", 0.0}}), "'rope_theta' is 0; it must be above 0");
}

TEST_F(LanguageModelFolder, SizesThatContradictItAreRefusedTogether) {
  write_config({});
  auto config = pretrained();
  config.layers = 2;
  config.tied = false;
  EXPECT_NO_THROW(llama::resolve_sizes(config, llama::kLlama, 20));
  config.layers = 3;
  config.tied = true;
  config.rope_theta = 5e5;
  EXPECT_EQ(message_of([&] { llama::resolve_sizes(config, llama::kLlama, 20); }),
            "The config contradicts " + path_ +
                "/config.json: 'layers' is 3 (there 2), 'rope_theta' is 500000 (there 10000) and 'tied' is true (there "
                "false); leave these keys out, or give the folder they belong to");
  EXPECT_EQ(
      message_of([&] { llama::resolve_sizes(pretrained(), llama::kLlama, 21); }),
      "The tokenizer has 21 tokens but " + path_ + "/config.json a vocabulary of 20: give the model's own tokenizer");
}

TEST_F(LanguageModelFolder, WeightsComeBack) {
  write_config({});
  const auto saved = write_weights()->named_parameters();
  const auto loaded = llama::build(pretrained(), llama::kLlama, {})->named_parameters();
  ASSERT_EQ(loaded.size(), saved.size());
  for (auto& item : loaded) EXPECT_TRUE(item.value().equal(saved[item.key()])) << item.key();
  EXPECT_TRUE(saved.contains("lm_head.weight"));
}

TEST_F(LanguageModelFolder, TiedFoldersMayHoldTheHeadToo) {
  write_config({{"tie_word_embeddings", true}});
  const auto saved = write_weights(/*with_head_and_buffer=*/true);
  const auto model = llama::build(pretrained(), llama::kLlama, {});
  const auto hidden = torch::randn({3, 8});
  EXPECT_TRUE(
      model->logits(hidden).equal(torch::linear(hidden, saved->named_parameters()["model.embed_tokens.weight"])));
}

TEST_F(LanguageModelFolder, MissingWeightsAreNamed) {
  write_config({});
  write_weights();
  write_config({{"num_hidden_layers", 3}});
  const auto message = message_of([&] { llama::build(pretrained(), llama::kLlama, {}); });
  EXPECT_NE(message.find("missing: model.layers.2.self_attn.q_proj.weight [8, 8]"), std::string::npos) << message;
}

TEST_F(LanguageModelFolder, EndTokens) {
  EXPECT_TRUE(eos_ids(path_).empty());
  folder_.write("config.json", R"({"eos_token_id": 2})");
  EXPECT_EQ(eos_ids(path_), std::vector<int64_t>{2});
  folder_.write("generation_config.json", R"({"eos_token_id": [5, 0]})");
  EXPECT_EQ(eos_ids(path_), (std::vector<int64_t>{5, 0}));
  folder_.write("generation_config.json", R"({"eos_token_id": null})");
  EXPECT_EQ(eos_ids(path_), std::vector<int64_t>{2});
  folder_.write("generation_config.json", R"({"eos_token_id": ["</s>"]})");
  EXPECT_EQ(message_of([&] { eos_ids(path_); }),
            path_ + "/generation_config.json: 'eos_token_id' is [\"</s>\"]; it must be an id or a list of ids");
}

}  // namespace
}  // namespace usam
