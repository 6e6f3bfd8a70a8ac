#pragma once
// What a decoder-only transformer of the Llama family is made of, and what a user may say about it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/config.h"
#include "src/nn/rope.h"

namespace usam::llama {

// What sets the members of the family apart.
struct Family {
  std::string_view model_type;   // in config.json, and `type:` in a recipe
  bool has_qkv_bias = false;     // Qwen2
  bool has_qk_norm = false;      // Qwen3: RMSNorm over each head of queries and keys, before the rotation
  int64_t default_head_dim = 0;  // where config.json has none; 0: hidden / heads
  double default_norm_eps = 1e-6;
};

inline constexpr Family kLlama{.model_type = "llama", .default_norm_eps = 1e-5};

// All sizes, resolved.
struct Sizes {
  int64_t vocab = 0, layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0;
  double rope_theta = 10000;
  std::optional<nn::Llama3RopeScaling> rope_scaling;
  double norm_eps = 1e-5;
  bool is_tied = false;  // the output projection is the embedding
};

enum class Init { kPretrained, kRandom };

// `{path: HF folder}`, or `{init: random, layers: ..., hidden: ..., heads: ..., intermediate: ...}`. A size given
// beside a path must agree with the folder.
struct Config {
  Path path;
  Init init = Init::kPretrained;
  std::optional<int64_t> layers, hidden, heads, kv_heads, head_dim, intermediate;
  std::optional<double> rope_theta, norm_eps;
  std::optional<bool> tied;
};
void describe(Fields& f, Config& c);

struct LlamaConfig : Config {};

// Sizes from FOLDER/config.json. UserError for another model_type, and for features that are not built: each by name.
Sizes read_sizes(const std::string& folder, const Family& family);
// Sizes of the model that a config asks for. `vocab_size` is the tokenizer's: the vocabulary of a random model; a
// pretrained one may have more. 0 is no tokenizer. UserError where a size contradicts the folder.
Sizes resolve_sizes(const Config& config, const Family& family, int64_t vocab_size);

}  // namespace usam::llama
