#include "recipes/answers.h"

#include "src/decode/generate.h"
#include "src/decode/score.h"

namespace usam::recipes {

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

std::vector<std::vector<decode::Hypothesis>> generate(Answers& recipe, const data::Batch& batch,
                                                      const decode::Options& options) {
  const torch::NoGradGuard no_grad;
  const auto prompts = recipe.prompts(batch);
  return decode::generate(recipe.language_model(), prompts.embeds_BTD, prompts.lengths_B, options, batch.keys);
}

std::vector<std::vector<double>> score(Answers& recipe, const data::Batch& batch,
                                       const std::vector<std::string>& candidates) {
  const torch::NoGradGuard no_grad;
  const auto prompts = recipe.prompts(batch);
  std::vector<decode::Ids> ids;
  for (const auto& text : candidates) ids.push_back(recipe.tokenizer()->encode(text));
  return decode::score(recipe.language_model(), prompts.embeds_BTD, prompts.lengths_B,
                       std::vector<std::vector<decode::Ids>>(static_cast<size_t>(batch.size()), ids));
}

}  // namespace usam::recipes
