#pragma once
// One rank's share of a test set: its samples' answers.
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/data_set.h"
#include "recipes/answers.h"
#include "recipes/run.h"
#include "src/base/json.h"
#include "src/decode/session.h"
#include "src/dist/communicator.h"

namespace usam::recipes {

// What was answered to one row.
struct Answer {
  int64_t row = 0;
  std::optional<std::string> text;  // none: of a row with tags whose task answers by likelihood
  std::vector<double> scores;       // one for each of Candidates::scored(row)
  Json explained;                   // where asked for
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
  bool is_cut = false;  // decoding stopped before its end (DecoderParts::stops)
};

// What evaluate.tasks says of a task, or the defaults.
const eval::TaskConfig& task_config(const eval::EvaluateConfig& config, const std::string& task);

// Rows that a data set's epoch visits: without those that are too long.
int64_t rows_of(const data::DataSet& data);

// The texts that answers are chosen among.
struct Candidates {
  std::vector<std::string> tags;                           // that rows with tags are scored with
  std::map<std::string, std::vector<std::string>> labels;  // by task, of those that answer with a label

  // What a row gets a score for each of: the labels of a task that answers by likelihood, the tags where the row has
  // any, or nothing.
  const std::vector<std::string>& scored(const data::Row& row, const eval::EvaluateConfig& config) const;
};

// Of a set: what the files of evaluate.tags and evaluate.tasks list, else the union over the rows; of a recipe that
// classifies, its labels.
Candidates candidates_of(const data::Source& source, const eval::EvaluateConfig& config, const Recipe& recipe);

struct DecoderParts {
  Candidates candidates;
  bool explains = false;
  std::function<void(const Answer&)> on_answer = {};  // hears of each answer as soon as it is there
  std::function<bool()> stops = {};                   // asked before each decoding step; may be empty
};

// Decodes one rank's share of a data set: evaluate.batch_rows clips at a time, each place taken again as soon as an
// answer is complete.
class Decoder {
 public:
  // UserError: the recipe gives no answers; a label that evaluate.max_new_tokens would cut. Recipe and config outlive
  // the decoder.
  Decoder(Recipe& recipe, const RunConfig& config, DecoderParts parts);

  // Ends early where this rank's skipped samples alone are more than allowed.
  Share decode(const std::shared_ptr<const data::DataSet>& data, const data::SkipList& skips,
               dist::Communicator& ranks);

 private:
  struct Waiting {
    torch::Tensor prompt_TD;
    decode::Request request;
  };
  void take(const data::Batch& loaded, const data::Source& source);
  void classify(const data::Batch& batch, const data::Source& source);
  void prepare(const data::Batch& batch, const data::Source& source);
  std::shared_ptr<const decode::Options> options_of(const std::string& task);
  void refill();
  void add(Answer answer);

  Recipe& recipe_;
  const RunConfig& config_;
  DecoderParts parts_;
  Answers* answers_;
  Classifies* classifies_;
  std::map<std::string, std::shared_ptr<const decode::Options>> options_;  // by task
  std::optional<decode::Session> session_;
  std::deque<Waiting> waiting_;
  std::map<int64_t, Answer> under_way_;  // by row: waiting or in the session
  Share share_;
};

}  // namespace usam::recipes
