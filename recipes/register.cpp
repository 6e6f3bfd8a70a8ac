#include "recipes/recipe_registry.h"
#include "recipes/usam/recipe.h"

namespace usam::recipes {

const RecipeRegistry& recipe_registry() {
  static const RecipeRegistry registry = [] {
    RecipeRegistry r;
    r.add<UsamConfig>(
        "usam",
        [](const UsamConfig& config, const RecipeInit& init) { return std::make_shared<UsamRecipe>(config, init); },
        known_tasks);
    return r;
  }();
  return registry;
}

}  // namespace usam::recipes
