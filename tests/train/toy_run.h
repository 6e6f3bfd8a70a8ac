#pragma once
// Runs of the toy recipe and what they leave behind.
#include <fstream>
#include <string>
#include <vector>

#include "src/base/json.h"
#include "tests/support.h"
#include "tests/train/toy_recipe.h"
#include "trainer/run_folder.h"
#include "trainer/trainer.h"

namespace usam::test {

constexpr int64_t kToyEpoch = 7;  // micro-batches: an odd number, so that the last step of an epoch takes what is left

inline TrainerConfig toy_config(int64_t steps) {
  TrainerConfig config;
  config.max_steps = steps;
  config.accumulate = 2;
  config.save_every = 2;
  config.keep_last = 0;
  config.eval_every = 3;
  config.log_every = 1;
  config.optimizer.as<AdamWConfig>().lr = 0.05;
  config.schedule = {"cosine", std::make_shared<HeldConfig<DecayScheduleConfig>>(DecayScheduleConfig{0.2, 0})};
  return config;
}

inline TrainerParts toy_parts(const std::string& run, ToyOptions options = {},
                              std::shared_ptr<dist::Communicator> ranks = dist::single_rank()) {
  TrainerParts parts;
  parts.recipe = std::make_shared<ToyRecipe>(std::move(options));
  parts.train = toy_batches(kToyEpoch, ranks->rank(), ranks->world());
  parts.valid = toy_batches(3, ranks->rank(), ranks->world());
  parts.ranks = std::move(ranks);
  parts.run = run;
  parts.config_yaml = "toy: true\n";
  parts.seed = 20;
  return parts;
}

inline std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Every trained tensor by name.
inline io::NamedTensors trained(Recipe& recipe) {
  io::NamedTensors all;
  for (const ParameterGroup& group : recipe.groups())
    all.insert(all.end(), group.parameters.begin(), group.parameters.end());
  return all;
}

// The lines of a file, without what depends on the clock.
inline std::vector<Json> lines(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) {
    rows.push_back(Json::parse(line));
    rows.back().erase("time");
  }
  return rows;
}

inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (!entry.path().filename().string().starts_with("events.")) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace usam::test
