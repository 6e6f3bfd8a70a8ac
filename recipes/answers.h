#pragma once
#include <string>
#include <vector>

#include "data/batch.h"
#include "src/base/json.h"

namespace usam::recipes {

// What evaluation and generation ask of a recipe whose output is text.
class Answers {
 public:
  virtual ~Answers() = default;
  // One text a sample, decoded greedily until the end token or `max_new_tokens`.
  virtual std::vector<std::string> generate(const data::Batch& batch, int64_t max_new_tokens) = 0;
  // Mean token log-probability of each candidate text after each sample's prompt: result[sample][candidate].
  virtual std::vector<std::vector<double>> score(const data::Batch& batch,
                                                 const std::vector<std::string>& candidates) = 0;
  // How each sample was heard, for drawing, as the recipe defines it: an object a sample.
  virtual std::vector<Json> explain(const data::Batch& batch) = 0;
};

}  // namespace usam::recipes
