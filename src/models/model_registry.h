#pragma once
#include <cstdint>
#include <string>

#include "src/base/registry.h"
#include "src/models/audio_encoder.h"
#include "src/models/language_model.h"

namespace usam {

// What a model is built with beside its config.
struct ModelInit {
  uint64_t seed = 0;       // random initial values are a function of (seed, name, parameter path)
  std::string name;        // the part's name in the recipe: "whisper", "llm"
  int64_t vocab_size = 0;  // language models made from random weights: the tokenizer's size
};

using EncoderRegistry = Registry<AudioEncoder, const ModelInit&>;
using LanguageModelRegistry = Registry<LanguageModel, const ModelInit&>;

// Every audio encoder usam knows (register_encoders.cpp).
const EncoderRegistry& encoder_registry();
// Every language model usam knows (register_language_models.cpp).
const LanguageModelRegistry& language_model_registry();

}  // namespace usam
