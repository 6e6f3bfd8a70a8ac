#pragma once
// Qwen2 (and Qwen2.5) is Llama with biases on queries, keys and values; Qwen3 normalises each head of queries and keys
// instead and sets the heads' width freely.
#include "src/models/llama/config.h"

namespace usam::qwen {

struct Qwen2Config : llama::Config {};
struct Qwen3Config : llama::Config {};

inline constexpr llama::Family kQwen2{.model_type = "qwen2", .has_qkv_bias = true};
inline constexpr llama::Family kQwen3{.model_type = "qwen3", .has_qk_norm = true, .default_head_dim = 128};

}  // namespace usam::qwen
