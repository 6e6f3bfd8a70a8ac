#pragma once
#include <memory>
#include <string>

#include "src/io/peft.h"
#include "src/models/language_model.h"

namespace usam::inspect {

// The language model of a Hugging Face folder, in evaluation mode.
std::shared_ptr<LanguageModel> open_language_model(const std::string& folder);

// Puts an adapter on a language model (attach_adapter.h). One that changes the embedding or the output projection of a
// model that shares them makes two of them, as peft does. `name` is the adapter's folder.
void apply_adapter(LanguageModel& model, const io::PeftAdapter& adapter, const std::string& name);

// ids (1, T) -> logits (1, T, V) after every token. UserError for an id that the vocabulary has not.
torch::Tensor logits_of(LanguageModel& model, const torch::Tensor& ids_BT);

}  // namespace usam::inspect
