#pragma once
// One rank's share of a test set: its samples' answers.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/data_set.h"
#include "recipes/answers.h"
#include "recipes/run.h"
#include "src/base/json.h"
#include "src/dist/communicator.h"

namespace usam::recipes {

// What was answered to one row.
struct Answer {
  int64_t row = 0;
  std::string text;
  std::vector<double> scores;  // one a candidate, of rows with tags
  Json explained;              // where asked for
};

// A sample that could not be used, of the set's micro-batch number `micro_batch`.
struct Missed {
  int64_t micro_batch = 0;
  data::Skipped sample;
};

// A rank's share of the rows, in no order.
struct Share {
  std::vector<Answer> answers;
  std::vector<Missed> missed;
};

// Rows that a data set's epoch visits: without those that are too long.
int64_t rows_of(const data::DataSet& data);

// The tags that rows are scored with: those of evaluate.tags, else the union over the rows.
std::vector<std::string> tag_candidates(const data::Source& source, const eval::EvaluateConfig& config);

// Decodes one rank's share of a data set.
class Decoder {
 public:
  // UserError: the recipe gives no text. All but the candidates outlive the decoder.
  Decoder(Recipe& recipe, const RunConfig& config, std::vector<std::string> candidates, bool explains);

  // Ends early where this rank's skipped samples alone are more than allowed.
  Share decode(const std::shared_ptr<const data::DataSet>& data, const data::SkipList& skips,
               dist::Communicator& ranks);

 private:
  void add(Share& share, const data::Batch& loaded, const data::Source& source);

  Recipe& recipe_;
  const RunConfig& config_;
  std::vector<std::string> candidates_;
  bool explains_;
  Answers* answers_;
};

}  // namespace usam::recipes
