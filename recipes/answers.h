#pragma once
#include <string>
#include <vector>

#include "data/batch.h"
#include "src/base/json.h"
#include "src/decode/options.h"
#include "src/eval/evaluate_config.h"
#include "src/text/tokenizer.h"

namespace usam::recipes {

// What evaluation and generation ask of a recipe whose output is text.
class Answers {
 public:
  virtual ~Answers() = default;
  // Hypotheses of each sample with their texts, best first (draws in their order), at least one. The options' tokenizer
  // and end tokens are the recipe's own, whatever they are set to.
  virtual std::vector<std::vector<decode::Hypothesis>> generate(const data::Batch& batch,
                                                                const decode::Options& options) = 0;
  // Mean token log-probability of each candidate text after each sample's prompt: result[sample][candidate].
  virtual std::vector<std::vector<double>> score(const data::Batch& batch,
                                                 const std::vector<std::string>& candidates) = 0;
  // How each sample was heard, for drawing, as the recipe defines it: an object a sample.
  virtual std::vector<Json> explain(const data::Batch& batch) = 0;
  // What makes the answers' texts of tokens.
  virtual const Tokenizer& tokenizer() const = 0;
};

// The search that a config asks for.
decode::Options decoding_options(const eval::EvaluateConfig& config);

}  // namespace usam::recipes
