#pragma once
// What a U-SAM checkpoint holds beside its trained tensors: tokenizer/, adapter/ and base.json.
#include <cstdint>
#include <string>
#include <vector>

#include "recipes/bases.h"
#include "recipes/recipe_registry.h"
#include "recipes/usam/config.h"
#include "src/io/safetensors.h"
#include "src/models/audio_encoder.h"
#include "src/text/tokenizer.h"

namespace usam::recipes {

// Ids that end an answer: `end` and those that the language model's folder names.
std::vector<int64_t> end_ids(const Part& llm, int64_t end);

// Writes FOLDER/tokenizer.
void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder);

// Writes FOLDER/adapter in peft's layout where the language model has low-rank updates, which stand among the model's
// `values`; an export that usam never reads.
void save_adapter(const LlmSlot& slot, const io::NamedTensors& values, const std::string& folder);
// The same of an encoder, into FOLDER/adapter/NAME. Not where its layers are none in the Hugging Face class: CED's
// projections are thirds of one there.
void save_adapter(const EncoderSlot& slot, const std::string& name, const AudioEncoder& encoder,
                  const io::NamedTensors& values, const std::string& folder);

// Where a part's values come from, with hashes: its folder, or the seed of its random values.
Base describe_base(const std::string& name, const Part& part, uint64_t seed);
// Where the values that a checkpoint does not hold come from, with hashes: for each model its folder or the seed of its
// random values, then the overlays in their order.
Bases describe_bases(const UsamConfig& config, const RecipeInit& init);

}  // namespace usam::recipes
