// B = 1 row, T positions, V vocabulary.
#include "tools/inspect/language_model.h"

#include "src/base/error.h"
#include "src/models/model_registry.h"
#include "tools/inspect/attach_adapter.h"
#include "tools/inspect/folder_part.h"

namespace usam::inspect {
namespace {

bool wants_own_head(const io::PeftAdapter& adapter) {
  for (const auto& [name, tensor] : adapter.tensors) {
    if (name.starts_with("lm_head.")) return true;
    if (name == "model.embed_tokens.weight" && !adapter.keeps_tying) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<LanguageModel> open_language_model(const std::string& folder) {
  const auto& registry = language_model_registry();
  const Part part = part_of_folder(folder, registry.types_of_folders(), registry.choices());
  auto model = registry.build(part, {.name = part.type});
  model->eval();
  return model;
}

void apply_adapter(LanguageModel& model, const io::PeftAdapter& adapter, const std::string& name) {
  if (wants_own_head(adapter)) model.untie();
  attach_adapter(model, adapter, name);
}

torch::Tensor logits_of(LanguageModel& model, const torch::Tensor& ids_BT) {
  const torch::NoGradGuard no_grad;
  const auto wrong = ids_BT.masked_select((ids_BT < 0) | (ids_BT >= model.vocab_size()));
  if (wrong.numel() > 0)
    user_error("The id {} is not in the language model's vocabulary, which has {} entries from 0.",
               wrong[0].item<int64_t>(), model.vocab_size());
  const auto positions_BT = torch::arange(ids_BT.size(1)).unsqueeze(0);
  return model.logits(model.forward(model.embed(ids_BT), positions_BT, torch::ones_like(ids_BT)));
}

}  // namespace usam::inspect
