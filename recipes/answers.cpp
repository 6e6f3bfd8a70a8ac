#include "recipes/answers.h"

namespace usam::recipes {

std::vector<std::string> constrained_tasks(const eval::EvaluateConfig& config) {
  std::vector<std::string> names;
  for (const auto& [name, task] : config.tasks)
    if (task.answer != eval::Answer::kText) names.push_back(name);
  return names;
}

decode::Options decoding_options(const eval::EvaluateConfig& config, const Answers& recipe) {
  const auto& given = config.decoding;
  decode::Options options;
  options.max_new_tokens = config.max_new_tokens;
  options.min_new_tokens = given.min_new_tokens;
  options.repetition_penalty = given.repetition_penalty;
  options.temperature = given.temperature;
  options.top_k = given.top_k;
  options.top_p = given.top_p;
  options.seed = static_cast<uint64_t>(given.seed);
  options.beams = given.beams;
  options.length_penalty = given.length_penalty;
  options.stop = given.stop;
  options.eos = recipe.end_ids();
  options.tokenizer = recipe.tokenizer();
  return options;
}

}  // namespace usam::recipes
