#include "recipes/probe/recipe.h"
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
    r.add<ProbeConfig>(
        "probe",
        [](const ProbeConfig& config, const RecipeInit& init) { return std::make_shared<ProbeRecipe>(config, init); },
        [](const ProbeConfig&) { return std::set<std::string>(); });  // any task: nothing is asked in words
    return r;
  }();
  return registry;
}

}  // namespace usam::recipes
