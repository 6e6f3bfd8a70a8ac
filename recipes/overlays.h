#pragma once
// The members of `init_from`: checkpoints, safetensors files and peft folders, laid over a recipe's initial values.
#include <string>
#include <vector>

#include "src/io/safetensors.h"
#include "trainer/recipe.h"

namespace usam::recipes {

// The files that hold an overlay's values, for hashing.
std::vector<std::string> overlay_files(const std::string& path);

// What an overlay holds, under the recipe's names: an adapter is its language model's, the child `llm`.
io::NamedTensors overlay_tensors(const std::string& path);

// Lays an overlay over a recipe's parameters. UserError that lists what does not fit: tensors that the recipe has not
// or in another shape; for an adapter also ranks, scales and layers that are not those of the recipe's own updates.
void lay_over(Recipe& recipe, const std::string& path);

}  // namespace usam::recipes
