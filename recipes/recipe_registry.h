#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/base/registry.h"
#include "src/text/tokenizer.h"
#include "trainer/recipe.h"

namespace usam::recipes {

// What a recipe is built with beside its config.
struct RecipeInit {
  uint64_t seed = 0;
  std::string assets;                    // a checkpoint that holds the tokenizer; empty: as the config says
  std::vector<std::string> overlays;     // checkpoints and safetensors files laid over it afterwards, for base.json
  std::shared_ptr<Tokenizer> tokenizer;  // instead of the one that assets or config name; may be null
  // The labels of the training set, read only where a tokenizer is trained from them.
  std::function<std::vector<std::string>()> labels;
};

using RecipeRegistry = Registry<Recipe, const RecipeInit&>;
// Every recipe that usam knows (register.cpp).
const RecipeRegistry& recipe_registry();

}  // namespace usam::recipes
