// What a user may write about a language model, and what is said about mistakes.
#include "src/models/llama/config.h"

#include "src/base/config_yaml.h"
#include "src/models/model_registry.h"
#include "src/models/qwen/config.h"
#include "tests/support.h"

namespace usam {
namespace {

using test::message_of;

struct Slot {
  Part llm;
};
void describe(Fields& f, Slot& s) {
  f.part("llm", s.llm, language_model_registry().choices(), "the language model");
}

class LanguageModelConfig : public testing::Test {
 protected:
  std::string problem_with(const std::string& llm) {
    const auto file = folder_.write("run.yaml", "llm: " + llm + "\n");
    auto message = message_of([&] {
      Slot slot;
      load_config(file, {.overrides = {}, .offline = true}, slot);
    });
    const auto sentence = message.find(": ");
    return sentence == std::string::npos ? message : message.substr(sentence + 2);
  }
  test::TemporaryFolder folder_;
};

TEST_F(LanguageModelConfig, TypesPickTheirStruct) {
  const auto file = folder_.write("run.yaml",
                                  "llm: {type: qwen2, init: random, layers: 2, hidden: 64, heads: 4, "
                                  "kv_heads: 2, intermediate: 96, tied: true, rope_theta: 1e6}\n");
  Slot slot;
  load_config(file, {}, slot);
  const auto& config = slot.llm.as<qwen::Qwen2Config>();
  EXPECT_EQ(config.layers, 2);
  EXPECT_EQ(config.tied, true);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_FALSE(config.head_dim.has_value());
  const auto model = language_model_registry().build(slot.llm, ModelInit{.seed = 1, .name = "llm", .vocab_size = 40});
  EXPECT_EQ(model->vocab_size(), 40);
  EXPECT_EQ(model->width(), 64);
  EXPECT_TRUE(model->named_parameters().contains("model.layers.1.self_attn.k_proj.bias"));
  EXPECT_FALSE(model->named_parameters().contains("lm_head.weight"));
}

TEST_F(LanguageModelConfig, SaysWhatIsMissingOrContradicts) {
  EXPECT_EQ(problem_with("{type: llama}"),
            "a language model needs 'path' (a Hugging Face folder) or 'init: random' with sizes");
  EXPECT_EQ(problem_with("{type: llama, path: x, init: random}"),
            "'path' and 'init: random' exclude each other: leave one out");
  EXPECT_EQ(problem_with("{type: llama, path: x, dtype: int8}"),
            "'llm.dtype' must be one of float32, bfloat16, float16 or auto, got 'int8'");
  EXPECT_EQ(problem_with("{type: llama, init: random, layers: 2, hidden: 64, heads: 4, intermediate: 9, dtype: auto}"),
            "'dtype: auto' is the type of a folder's weights; name one");
  EXPECT_EQ(problem_with("{type: llama, init: random, layers: 2, hidden: 64}"),
            "'init: random' needs heads and intermediate too");
  EXPECT_EQ(problem_with("{type: llama, init: random, layers: 2, hidden: 60, heads: 8, intermediate: 9}"),
            "'hidden' (60) must be an even multiple of 'heads' (8), or 'head_dim' be given");
  EXPECT_EQ(problem_with("{type: llama, init: random, layers: 2, hidden: 64, heads: 4, kv_heads: 3, intermediate: 9}"),
            "'heads' (4) must be a multiple of 'kv_heads' (3)");
  EXPECT_EQ(problem_with("{type: llama, init: random, layers: 2, hidden: 64, heads: 4, head_dim: 5, intermediate: 9}"),
            "'head_dim' (5) must be even: the rotary embedding turns pairs of channels");
  EXPECT_EQ(problem_with("{type: llama, init: random, layers: 2, hidden: 60, heads: 8, head_dim: 6, intermediate: 9}"),
            "");
}

TEST_F(LanguageModelConfig, RandomModelNeedsATokenizer) {
  llama::Config config;
  config.init = llama::Init::kRandom;
  config.layers = 1, config.hidden = 8, config.heads = 2, config.intermediate = 8;
  EXPECT_EQ(message_of([&] { llama::resolve_sizes(config, llama::kLlama, 0); }),
            "'init: random' needs a tokenizer: its size is the model's vocabulary");
  const auto sizes = llama::resolve_sizes(config, llama::kLlama, 30);
  EXPECT_EQ(sizes.vocab, 30);
  EXPECT_EQ(sizes.kv_heads, 2);
  EXPECT_EQ(sizes.head_dim, 4);
  EXPECT_FALSE(sizes.is_tied);
}

}  // namespace
}  // namespace usam
