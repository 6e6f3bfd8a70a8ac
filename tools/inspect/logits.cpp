// B = 1 row, T positions, V vocabulary.
#include "src/base/error.h"
#include "src/io/safetensors.h"
#include "src/text/tokenizer_config.h"
#include "tools/inspect/commands.h"
#include "tools/inspect/language_model.h"

namespace usam::inspect {
namespace {

std::vector<int64_t> ids_of(const LogitsArguments& arguments) {
  auto ids = arguments.ids;
  if (arguments.has_text) ids = open_tokenizer(arguments.llm)->encode(arguments.text, Specials::kParse);
  if (ids.empty()) user_error("There are no ids to run the language model on: the text is empty.");
  return ids;
}

}  // namespace

int logits(const LogitsArguments& arguments) {
  const auto ids_BT = torch::tensor(ids_of(arguments), torch::kInt64).unsqueeze(0);
  io::PeftAdapter adapter;
  if (!arguments.adapter.empty()) adapter = io::read_peft_adapter(arguments.adapter);
  const auto model = open_language_model(arguments.llm);
  apply_adapter(*model, adapter, arguments.adapter);
  io::write_safetensors(arguments.output, {{"ids", ids_BT}, {"logits", logits_of(*model, ids_BT)}});
  return 0;
}

}  // namespace usam::inspect
