#include "src/models/llama/build.h"
#include "src/models/model_registry.h"
#include "src/models/qwen/config.h"

namespace usam {

const LanguageModelRegistry& language_model_registry() {
  static const LanguageModelRegistry registry = [] {
    LanguageModelRegistry r;
    r.add<llama::LlamaConfig>("llama", [](const llama::LlamaConfig& c, const ModelInit& init) {
      return llama::build(c, llama::kLlama, init);
    });
    r.add<qwen::Qwen2Config>(
        "qwen2", [](const qwen::Qwen2Config& c, const ModelInit& init) { return llama::build(c, qwen::kQwen2, init); });
    r.add<qwen::Qwen3Config>(
        "qwen3", [](const qwen::Qwen3Config& c, const ModelInit& init) { return llama::build(c, qwen::kQwen3, init); });
    return r;
  }();
  return registry;
}

}  // namespace usam
