#pragma once
// Qwen2 (and Qwen2.5) is Llama with biases on queries, keys and values; Qwen3 normalises each head of queries and keys
// instead and sets the heads' width freely.
#include "src/models/llama/config.h"

namespace usam::qwen {

struct Qwen2Config : llama::Config {};
struct Qwen3Config : llama::Config {};

inline constexpr llama::Family kQwen2{
    .model_type = "qwen2", .has_qkv_bias = true, .slides = llama::Slides::kByLayer, .default_kv_heads = 32};
inline constexpr llama::Family kQwen3{.model_type = "qwen3",
                                      .has_qk_norm = true,
                                      .may_have_attention_bias = true,
                                      .slides = llama::Slides::kByLayer,
                                      .default_head_dim = 128,
                                      .default_kv_heads = 32};

}  // namespace usam::qwen
