#pragma once
// The `evaluate:` map of a config.
#include <memory>
#include <string>
#include <vector>

#include "src/base/config.h"
#include "src/eval/decoding_config.h"
#include "src/eval/task_metrics.h"

namespace usam::eval {

struct EvaluateConfig {
  std::string normalizer = "whisper_en";
  Path spelling;  // normalizer.json of a Whisper checkpoint, for whisper_en
  text::BleuTokens bleu_tokens = text::BleuTokens::k13a;
  int64_t max_new_tokens = 200;
  DecodingConfig decoding;
  int64_t batch_rows = 16;  // clips decoded together
  Path tags;                // candidate tags, one a line; empty: the union over the rows evaluated
};
void describe(Fields& f, EvaluateConfig& c);

// What score() and report() need of the config.
ScoreOptions score_options(const EvaluateConfig& config);

// The candidates in a tags file, in its order. Throws UserError when it is missing, empty or names a tag twice.
std::vector<std::string> read_tags(const std::string& file);

}  // namespace usam::eval
