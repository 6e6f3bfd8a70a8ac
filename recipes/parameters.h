#pragma once
#include <string>

#include "trainer/recipe.h"

namespace usam::recipes {

// "parameters: 5.10 M, of which 0.40 M are trained (bridge 0.20 M, llm 0.10 M, ...)": by the children of the module.
// Of weights that are quantised the values count, not their codes.
std::string parameter_summary(Recipe& recipe);
// The same as a table: of each part all, trained and frozen parameters, and what they take of memory as they are kept.
std::string parameter_table(Recipe& recipe);

}  // namespace usam::recipes
