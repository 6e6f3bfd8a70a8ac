#pragma once
// The `evaluate:` map of a config.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/eval/decoding_config.h"
#include "src/eval/html/report_config.h"
#include "src/eval/task_metrics.h"
#include "src/eval/window_config.h"

namespace usam::eval {

// What is asked of one task where it differs from the rest.
struct TaskConfig {
  Answer answer = Answer::kText;
  Path labels;  // what may be answered, one a line; empty: the union of the rows' references
  std::optional<int64_t> max_new_tokens;
  std::optional<std::string> normalizer;
  std::vector<std::string> metrics;  // empty: those of the kind of answer, for text those of the task's name
};
void describe(Fields& f, TaskConfig& c);

struct EvaluateConfig {
  std::string normalizer = "whisper_en";
  Path spelling;  // normalizer.json of a Whisper checkpoint, for whisper_en
  text::BleuTokens bleu_tokens = text::BleuTokens::k13a;
  int64_t max_new_tokens = 200;
  DecodingConfig decoding;
  int64_t batch_rows = 16;             // clips decoded together
  Path tags;                           // candidate tags, one a line; empty: the union over the rows evaluated
  std::optional<WindowConfig> window;  // null: recordings are answered as data.long_audio says
  std::map<std::string, TaskConfig> tasks;
  int64_t bootstrap = 0;  // resamples behind the confidence intervals; 0: no intervals
  int64_t bootstrap_seed = 20;
  ReportConfig report;
};
void describe(Fields& f, EvaluateConfig& c);

// What score() and report() need of the config; reads the spelling table and the files of labels.
ScoreOptions score_options(const EvaluateConfig& config);

// The candidates in a file of tags or labels, in its order. UserError when it is missing, empty or names one twice.
std::vector<std::string> read_tags(const std::string& file);
std::vector<std::string> read_labels(const std::string& file);

}  // namespace usam::eval
