#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

// Models of one kind, with the Hugging Face folders that each reads.
template <class Model>
class ModelRegistry : public Registry<Model, const ModelInit&> {
 public:
  // `model_types`: those of config.json for which `type` is the part.
  template <class C>
  void add(const std::string& type, const std::vector<std::string>& model_types,
           std::function<std::shared_ptr<Model>(const C&, const ModelInit&)> build) {
    Registry<Model, const ModelInit&>::template add<C>(type, std::move(build));
    for (const auto& model_type : model_types) types_[model_type] = type;
  }
  // model_type -> type.
  const std::map<std::string, std::string>& types_of_folders() const { return types_; }

 private:
  std::map<std::string, std::string> types_;
};

using EncoderRegistry = ModelRegistry<AudioEncoder>;
using LanguageModelRegistry = ModelRegistry<LanguageModel>;

// Every audio encoder usam knows (register_encoders.cpp).
const EncoderRegistry& encoder_registry();
// Every language model usam knows (register_language_models.cpp).
const LanguageModelRegistry& language_model_registry();

}  // namespace usam
