// B = 1 row, T positions, V vocabulary.
#include "src/base/error.h"
#include "src/io/peft.h"
#include "src/io/safetensors.h"
#include "src/models/model_registry.h"
#include "src/text/tokenizer_config.h"
#include "tools/inspect/attach_adapter.h"
#include "tools/inspect/commands.h"
#include "tools/inspect/folder_part.h"

namespace usam::inspect {
namespace {

std::shared_ptr<LanguageModel> open_language_model(const std::string& folder) {
  const auto& registry = language_model_registry();
  const Part part = part_of_folder(folder, registry.types_of_folders(), registry.choices());
  auto model = registry.build(part, {.name = part.type});
  model->eval();
  return model;
}

std::vector<int64_t> ids_of(const LogitsArguments& arguments, int64_t vocab_size) {
  auto ids = arguments.ids;
  if (arguments.has_text) ids = open_tokenizer(arguments.llm)->encode(arguments.text, Specials::kParse);
  if (ids.empty()) user_error("There are no ids to run the language model on: the text is empty.");
  for (const int64_t id : ids)
    if (id < 0 || id >= vocab_size)
      user_error("The id {} is not in the language model's vocabulary, which has {} entries from 0.", id, vocab_size);
  return ids;
}

}  // namespace

int logits(const LogitsArguments& arguments) {
  torch::NoGradGuard no_grad;
  const auto model = open_language_model(arguments.llm);
  const auto ids_BT = torch::tensor(ids_of(arguments, model->vocab_size()), torch::kInt64).unsqueeze(0);
  if (!arguments.adapter.empty()) attach_adapter(*model, io::read_peft_adapter(arguments.adapter), arguments.adapter);
  const auto positions_BT = torch::arange(ids_BT.size(1)).unsqueeze(0);
  const auto hidden_BTD = model->forward(model->embed(ids_BT), positions_BT, torch::ones_like(ids_BT));
  io::write_safetensors(arguments.output, {{"ids", ids_BT}, {"logits", model->logits(hidden_BTD)}});
  return 0;
}

}  // namespace usam::inspect
