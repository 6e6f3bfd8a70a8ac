// Hugging Face folders: what is read out of config.json and generation_config.json, and what is refused.
#include "src/base/json.h"
#include "src/io/safetensors.h"
#include "src/models/generation_config.h"
#include "src/models/llama/build.h"
#include "src/models/mistral/config.h"
#include "src/models/qwen/config.h"
#include "tests/support.h"

namespace usam {
namespace {

using test::message_of;

// Bytes of a file mapped into this process that are in its memory.
int64_t resident_bytes(const std::filesystem::path& file) {
  std::ifstream maps("/proc/self/smaps");
  int64_t kilobytes = 0;
  bool is_of_file = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" kB") == std::string::npos && line.find('-') < line.find(' '))
      is_of_file = line.ends_with(" " + file.string());
    if (is_of_file && line.starts_with("Rss:")) kilobytes += std::stoll(line.substr(4));
  }
  return 1024 * kilobytes;
}

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
      tensors.emplace_back("lm_head.weight", model->named_parameters()["model.embed_tokens.weight"]);
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

// Kept in bfloat16, a tied table's fp32 values in the file are done with.
TEST_F(LanguageModelFolder, AConvertedTableLeavesTheFile) {
  write_config({{"vocab_size", 60000}, {"hidden_size", 64}, {"tie_word_embeddings", true}});
  write_weights();
  auto config = pretrained();
  const auto as_in_file = llama::build(config, llama::kLlama, {.seed = 1, .name = "llm", .vocab_size = 0});
  constexpr int64_t kTable = 60000 * 64 * 4;
  EXPECT_GE(resident_bytes(path_ + "/model.safetensors"), kTable);
  test::TemporaryFolder other;
  std::filesystem::copy(path_, other.path(), std::filesystem::copy_options::recursive);
  config.path.value = other.path().string();
  config.store = KeptStore::kBFloat16Dynamic;
  const auto kept = llama::build(config, llama::kLlama, {.seed = 1, .name = "llm", .vocab_size = 0});
  EXPECT_LT(resident_bytes(other.path() / "model.safetensors"), kTable / 4);
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
            "rope type 'yarn' (only 'default', 'linear' and 'llama3') is not supported by usam");
  EXPECT_EQ(problem_with({{"partial_rotary_factor", 0.5}}), "partial_rotary_factor below 1 is not supported by usam");
  EXPECT_EQ(problem_with({{"attention_bias", true}}, qwen::kQwen2), "attention_bias true is not supported by usam");
  EXPECT_EQ(problem_with({{"mlp_bias", true}}, mistral::kMistral), "mlp_bias true is not supported by usam");
  EXPECT_EQ(problem_with({{"hidden_act", "gelu"}}), "hidden_act 'gelu' (only 'silu') is not supported by usam");
  EXPECT_EQ(problem_with({{"attention_dropout", 0.1}}), "attention_dropout above 0 is not supported by usam");
  EXPECT_EQ(problem_with({{"quantization_config", {{"bits", 4}}}}),
            "quantization_config (quantised weights) is not supported by usam");
  EXPECT_EQ(problem_with({{"layer_types", {"full_attention", "linear_attention"}}}, qwen::kQwen3),
            "layer type \"linear_attention\" is not supported by usam");
}

// transformers 5.23: MistralConfig, Qwen2Config.__post_init__.
TEST_F(LanguageModelFolder, WindowsAreThoseOfTransformers) {
  const auto windows = [this](const Json& change, const llama::Family& family) {
    write_config(change, family);
    const auto sizes = llama::read_sizes(path_, family);
    return std::pair(sizes.window, sizes.has_window);
  };
  const std::pair<int64_t, std::vector<bool>> none = {0, {}};
  using Layers = std::vector<bool>;
  EXPECT_EQ(windows({}, mistral::kMistral), std::pair(int64_t{4096}, Layers{true, true}));
  EXPECT_EQ(windows({{"sliding_window", 7}}, mistral::kMistral), std::pair(int64_t{7}, Layers{true, true}));
  EXPECT_EQ(windows({{"sliding_window", 7}}, llama::kLlama), none);
  const Json window = {{"use_sliding_window", true}, {"sliding_window", 512}, {"max_window_layers", 1}};
  for (const auto& family : {qwen::kQwen2, qwen::kQwen3})
    EXPECT_EQ(windows(window, family), std::pair(int64_t{512}, Layers{false, true}));
  Json other = window;
  other["use_sliding_window"] = false;  // as Qwen2 and Qwen2.5 are published
  EXPECT_EQ(windows(other, qwen::kQwen2), none);
  other = window;
  other["max_window_layers"] = 2;
  EXPECT_EQ(windows(other, qwen::kQwen2), none);
  other["layer_types"] = {"full_attention", "full_attention"};
  EXPECT_EQ(windows(other, qwen::kQwen2), none);
  other["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_EQ(windows(other, qwen::kQwen2), std::pair(int64_t{512}, Layers{true, false}));
  folder_.write("config.json", R"({"model_type": "mistral", "sliding_window": null, "vocab_size": 9, "hidden_size": 8,
    "num_hidden_layers": 1, "num_attention_heads": 8, "intermediate_size": 4, "head_dim": 2})");
  const auto sizes = llama::read_sizes(path_, mistral::kMistral);
  EXPECT_TRUE(sizes.has_window.empty());
  EXPECT_EQ(sizes.kv_heads, 8);  // Mistral's default, not the number of heads
}

TEST_F(LanguageModelFolder, LinearRopeAndBiases) {
  for (const char* key : {"type", "rope_type"}) {
    write_config({{"rope_scaling", {{key, "linear"}, {"factor", 8.0}}}});
    EXPECT_EQ(llama::read_sizes(path_, llama::kLlama).rope_scaling, nn::RopeScaling(nn::LinearRopeScaling{8}));
  }
  write_config({{"attention_bias", true}});
  const auto attention = llama::read_sizes(path_, llama::kLlama);
  EXPECT_TRUE(attention.has_qkv_bias && attention.has_output_bias && !attention.has_mlp_bias);
  write_config({{"mlp_bias", true}});
  const auto mlp = llama::read_sizes(path_, llama::kLlama);
  EXPECT_TRUE(!mlp.has_qkv_bias && !mlp.has_output_bias && mlp.has_mlp_bias);
  write_config({}, qwen::kQwen2);
  const auto qwen2 = llama::read_sizes(path_, qwen::kQwen2);
  EXPECT_TRUE(qwen2.has_qkv_bias && !qwen2.has_output_bias);
}

TEST_F(LanguageModelFolder, Llama3RopeTakesItsLengthFromTheModel) {
  const Json scaling = {{"rope_type", "llama3"}, {"factor", 8}, {"low_freq_factor", 1}, {"high_freq_factor", 4}};
  write_config({{"rope_parameters", scaling}, {"max_position_embeddings", 2048}});
  EXPECT_EQ(llama::read_sizes(path_, llama::kLlama).rope_scaling,
            nn::RopeScaling(nn::Llama3RopeScaling{8, 1, 4, 2048}));
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
  EXPECT_EQ(problem_with({{"num_attention_heads", 3}, {"num_key_value_heads", 3}}),
            "hidden_size 8 is not a multiple of num_attention_heads 3");
  EXPECT_EQ(problem_with({{"hidden_size", 64.5}}), "'hidden_size' is 64.5, which is not of the type it should be");
  EXPECT_EQ(problem_with({{"hidden_size", true}}), "'hidden_size' is true, which is not of the type it should be");
  EXPECT_EQ(problem_with({{"vocab_size", 1LL << 40}}), "'vocab_size' is 1099511627776; it must be at most 1073741824");
  EXPECT_EQ(problem_with({{"layer_types", {"full_attention"}}}, qwen::kQwen2),
            "'layer_types' names 1 layers, but there are 2");
  EXPECT_EQ(problem_with({{"sliding_window", 0}}, mistral::kMistral), "'sliding_window' is 0; it must be at least 1");
  EXPECT_EQ(problem_with({{"rope_scaling", {{"type", "linear"}, {"factor", 0.0}}}}),
            "'factor' is 0; it must be above 0");
  EXPECT_EQ(problem_with({{"rope_scaling",
                           {{"type", "llama3"},
                            {"factor", 8},
                            {"low_freq_factor", 4},
                            {"high_freq_factor", 4},
                            {"original_max_position_embeddings", 64}}}}),
            "'high_freq_factor' is 4 and 'low_freq_factor' 4; the first must be above the second, and both above 0");
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
}

TEST_F(LanguageModelFolder, SizesBeyondTheWeightsAreRefusedBeforeTheyTakeMemory) {
  write_config({});
  write_weights();
  write_config({{"hidden_size", 1 << 30}, {"intermediate_size", 1 << 30}, {"num_hidden_layers", 1 << 20}});
  EXPECT_EQ(message_of([&] { llama::build(pretrained(), llama::kLlama, {}); }),
            path_ + ": config.json describes a model of 7.3e+24 values or more, but the weights hold 1.3 k");
}

TEST_F(LanguageModelFolder, VocabularyMayBeLargerOrSmallerThanTheTokenizers) {
  write_config({});
  write_weights();
  const auto smaller = llama::build(pretrained(), llama::kLlama, {.name = "llm", .vocab_size = 19});
  EXPECT_EQ(smaller->vocab_size(), 20);
  testing::internal::CaptureStderr();
  const auto larger = llama::build(pretrained(), llama::kLlama, {.name = "llm", .vocab_size = 22});
  const auto logged = testing::internal::GetCapturedStderr();
  EXPECT_NE(logged.find("the tokenizer has 22 tokens but " + path_ +
                        "/config.json a vocabulary of 20: texts with the ids from 20 on fail"),
            std::string::npos)
      << logged;
  EXPECT_EQ(larger->embed(torch::tensor({0, 19})).size(0), 2);
  EXPECT_EQ(message_of([&] { larger->embed(torch::tensor({3, 20})); }),
            "the id 20 has no embedding: the language model's vocabulary has 20 entries from 0");
}

TEST_F(LanguageModelFolder, WeightsAreKeptInTheTypeAskedFor) {
  write_config({});
  write_weights();
  const std::pair<KeptDtype, torch::ScalarType> types[] = {
      {KeptDtype::kAuto, torch::kFloat}, {KeptDtype::kBFloat16, torch::kBFloat16}, {KeptDtype::kFloat16, torch::kHalf}};
  for (const auto& [asked, expected] : types) {
    auto config = pretrained();
    config.dtype = asked;
    for (const auto& item : llama::build(config, llama::kLlama, {})->named_parameters())
      EXPECT_EQ(item.value().scalar_type(), expected) << item.key();
  }
}

TEST_F(LanguageModelFolder, SaysWhatItReadAndWhatItMapped) {
  write_config({{"tie_word_embeddings", true}});
  write_weights(/*with_head_and_buffer=*/true);
  testing::internal::CaptureStderr();
  llama::build(pretrained(), llama::kLlama, {});
  const auto logged = testing::internal::GetCapturedStderr();
  EXPECT_NE(logged.find(path_ + ": 20 tensors loaded, 4.5 KiB in float32, of which 4.5 KiB mapped; 2 left out"),
            std::string::npos)
      << logged;
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

TEST_F(LanguageModelFolder, MatricesThatDifferAreNotTiedWhateverTheConfigSays) {
  write_config({});
  const auto saved = write_weights();  // untied
  write_config({{"tie_word_embeddings", true}});
  const auto model = llama::build(pretrained(), llama::kLlama, {});
  const auto hidden = torch::randn({3, 8});
  EXPECT_TRUE(model->logits(hidden).equal(torch::linear(hidden, saved->named_parameters()["lm_head.weight"])));
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
