#pragma once
// Runs of configs/tests/tiny.yaml inside a test: real recipe, real data, real trainer.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/sources/open.h"
#include "recipes/run.h"
#include "recipes/usam/recipe.h"
#include "tests/train/corpus.h"
#include "trainer/run_folder.h"
#include "trainer/trainer.h"

namespace usam::test {

inline constexpr const char* kTinyConfig = "configs/tests/tiny.yaml";  // tests run in the source tree

// Overrides without which two layouts of one step differ on purpose.
inline const std::vector<std::string> kNothingRandom = {"recipe.bridge.dropout=0",
                                                        "recipe.llm.lora.dropout=0",
                                                        "data.augment.spec.time_masks=0",
                                                        "data.augment.spec.frequency_masks=0",
                                                        "data.shuffle=false",
                                                        "recipe.shuffle_tags=false"};
// The first step's gradients stay in the parameters: not clipped, and a learning rate of 0.
inline const std::vector<std::string> kOneStep = {"trainer.max_steps=1", "trainer.max_grad_norm=0"};

inline std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline recipes::RunConfig tiny_config(const std::string& run, const std::vector<std::string>& overrides = {}) {
  recipes::RunConfig config;
  load_config(kTinyConfig, {std::vector<std::string>{"run.dir=" + run} + overrides, false}, config);
  return config;
}

// A recipe and its data, as usam-train makes them.
struct TinyRun {
  explicit TinyRun(const std::string& run, const std::vector<std::string>& overrides = {})
      : TinyRun(tiny_config(run, overrides)) {}
  explicit TinyRun(const recipes::RunConfig& with)
      : config(with),
        source(data::open_manifests(config.data.train)),
        recipe(std::dynamic_pointer_cast<recipes::UsamRecipe>(recipes::build_recipe(config, *source))) {
    recipe->train(true);
  }

  std::shared_ptr<const data::DataSet> data_set(const std::vector<data::ManifestConfig>& manifests,
                                                bool is_training) const {
    return recipes::make_data_set(data::open_manifests(manifests), *recipe, config, is_training, nullptr);
  }
  TrainerParts parts(std::shared_ptr<dist::Communicator> ranks = dist::single_rank()) const {
    TrainerParts parts;
    parts.recipe = recipe;
    parts.train = recipes::make_batches(data_set(config.data.train, true), *ranks);
    parts.valid = recipes::make_batches(data_set(config.data.valid, false), *ranks);
    parts.ranks = std::move(ranks);
    parts.run = config.run.dir.value;
    parts.config_yaml = print_config(config);
    parts.seed = static_cast<uint64_t>(config.seed);
    return parts;
  }
  Outcome train() const { return Trainer(config.trainer, parts()).run(); }
  recipes::UsamModel& model() const { return dynamic_cast<recipes::UsamModel&>(recipe->module()); }
  std::vector<std::pair<std::string, torch::Tensor>> parameters() const { return recipe->groups()[0].parameters; }

  // mutable: print_config() takes a config by reference
  mutable recipes::RunConfig config;
  std::shared_ptr<const data::Source> source;
  std::shared_ptr<recipes::UsamRecipe> recipe;
};

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The rows of a JSON lines file, without what depends on the clock.
inline std::vector<Json> rows_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) {
    rows.push_back(Json::parse(line));
    rows.back().erase("time");
  }
  return rows;
}

}  // namespace usam::test
