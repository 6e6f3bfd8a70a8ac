#pragma once
// Mistral is Llama whose layers attend to a sliding window.
#include "src/models/llama/config.h"

namespace usam::mistral {

struct MistralConfig : llama::Config {};

inline constexpr llama::Family kMistral{
    .model_type = "mistral", .slides = llama::Slides::kAlways, .default_kv_heads = 8};

}  // namespace usam::mistral
