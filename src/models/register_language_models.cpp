#include "src/models/llama/build.h"
#include "src/models/mistral/config.h"
#include "src/models/model_registry.h"
#include "src/models/qwen/config.h"

namespace usam {
namespace {

template <class Config>
void add(LanguageModelRegistry& registry, const llama::Family& family) {
  const std::string type(family.model_type);
  registry.add<Config>(type, {type},
                       [family](const Config& c, const ModelInit& init) { return llama::build(c, family, init); });
}

}  // namespace

const LanguageModelRegistry& language_model_registry() {
  static const LanguageModelRegistry registry = [] {
    LanguageModelRegistry all;
    add<llama::LlamaConfig>(all, llama::kLlama);
    add<mistral::MistralConfig>(all, mistral::kMistral);
    add<qwen::Qwen2Config>(all, qwen::kQwen2);
    add<qwen::Qwen3Config>(all, qwen::kQwen3);
    return all;
  }();
  return registry;
}

}  // namespace usam
