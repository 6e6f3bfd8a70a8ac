#pragma once
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "src/base/registry.h"
#include "src/dist/communicator.h"
#include "trainer/recipe.h"

namespace usam::recipes {

// What a recipe is built with beside its config.
struct RecipeInit {
  uint64_t seed = 0;
  std::string assets;                 // a checkpoint that holds the tokenizer or the classes; empty: as the config says
  std::vector<std::string> overlays;  // checkpoints and safetensors files laid over it afterwards, for base.json
  // The labels and the tags of the training set, one entry for each time that a row has them; read only where something
  // is made from them: a tokenizer, a classifier's classes.
  std::function<std::vector<std::string>()> labels, tags;
  // Whom a loss may compare samples with.
  std::shared_ptr<dist::Communicator> ranks = dist::single_rank();
};

// Recipes by type name, and for each the tasks that it has prompts for.
class RecipeRegistry : public Registry<Recipe, const RecipeInit&> {
 public:
  template <class C>
  void add(const std::string& type, std::function<std::shared_ptr<Recipe>(const C&, const RecipeInit&)> build,
           std::function<std::set<std::string>(const C&)> tasks) {
    Registry::add<C>(type, std::move(build));
    tasks_[type] = [tasks](const Part& part) { return tasks(part.as<C>()); };
  }
  // Of the recipe picked in the config: rows of other tasks need a prompt of their own.
  std::set<std::string> tasks(const Part& part) const { return tasks_.at(part.type)(part); }

 private:
  std::map<std::string, std::function<std::set<std::string>(const Part&)>> tasks_;
};
// Every recipe that usam knows (register.cpp).
const RecipeRegistry& recipe_registry();

}  // namespace usam::recipes
