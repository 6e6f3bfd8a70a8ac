#pragma once
// What a decoder-only transformer of the Llama family is made of, and what a user may say about it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/config.h"
#include "src/models/model_source.h"
#include "src/nn/rope.h"

namespace usam::llama {

// Which layers attend to a sliding window: none, all where config.json has one, or those that it names.
enum class Slides { kNever, kAlways, kByLayer };

// What sets the members of the family apart.
struct Family {
  std::string_view model_type;           // in config.json, and `type:` in a recipe
  bool has_qkv_bias = false;             // Qwen2
  bool has_qk_norm = false;              // Qwen3: RMSNorm over each head of queries and keys, before the rotation
  bool may_have_attention_bias = false;  // `attention_bias` of config.json: on queries, keys, values and output
  bool may_have_mlp_bias = false;        // `mlp_bias`
  Slides slides = Slides::kNever;
  int64_t default_head_dim = 0;  // where config.json has none; 0: hidden / heads
  int64_t default_kv_heads = 0;  // where config.json does not have the key; 0: as many as query heads
  double default_norm_eps = 1e-6;
};

inline constexpr Family kLlama{
    .model_type = "llama", .may_have_attention_bias = true, .may_have_mlp_bias = true, .default_norm_eps = 1e-5};

// All sizes, resolved.
struct Sizes {
  int64_t vocab = 0, layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0;
  double rope_theta = 10000;
  nn::RopeScaling rope_scaling;
  double norm_eps = 1e-5;
  bool is_tied = false;  // the output projection is the embedding
  bool has_qkv_bias = false, has_output_bias = false, has_mlp_bias = false;
  int64_t window = 0;            // positions that a sliding layer attends to, its own included
  std::vector<bool> has_window;  // of each layer; empty: none slides
};

using usam::Init;

// `{path: HF folder}`, or `{init: random, layers: ..., hidden: ..., heads: ..., intermediate: ...}`. A size given
// beside a path must agree with the folder.
struct Config : ModelSource {
  std::optional<int64_t> layers, hidden, heads, kv_heads, head_dim, intermediate;
  std::optional<double> rope_theta, norm_eps;
  std::optional<bool> tied;
};
void describe(Fields& f, Config& c);

struct LlamaConfig : Config {};

// Sizes from FOLDER/config.json. UserError for another model_type, and for features that are not built: each by name.
Sizes read_sizes(const std::string& folder, const Family& family);
// Sizes of the model that a config asks for. `vocab_size` is the tokenizer's: the vocabulary of a random model; a
// pretrained one may have more (resized), or fewer, which is warned of. 0 is no tokenizer. UserError where a size
// contradicts the folder.
Sizes resolve_sizes(const Config& config, const Family& family, int64_t vocab_size);

}  // namespace usam::llama
