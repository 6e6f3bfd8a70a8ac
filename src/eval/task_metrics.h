#pragma once
// Which metrics exist, which of them a task gets, and what they are over a set of hypotheses.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/eval/hypotheses.h"
#include "src/text/bleu.h"
#include "src/text/normalizer.h"

namespace usam::eval {

// What a task's answers are: free text, one of a list of labels, a number, or the likeliest label with a score each.
enum class Answer { kText, kLabel, kNumber, kLikelihood };

// What holds for one task instead of what holds for all.
struct TaskOptions {
  std::optional<Answer> answer;                        // none: what the metrics of the task suggest
  std::vector<std::string> labels;                     // what may be answered; none: the references that occur
  std::shared_ptr<const text::Normalizer> normalizer;  // null: as for all tasks
  std::vector<std::string> metrics;                    // none: those that the task's answers get
};

struct ScoreOptions {
  std::shared_ptr<const text::Normalizer> normalizer;  // for all text metrics but BLEU, which has its own rules
  text::BleuTokens bleu_tokens = text::BleuTokens::k13a;
  std::map<std::string, TaskOptions> tasks = {};
};

// Names of all metrics: wer, cer, bleu, accuracy, f1, map, roc_auc, mae, pearson.
const std::vector<std::string>& metric_names();
// "" for the name of a metric, else the sentence that refuses it.
std::string unknown_metric(const std::string& name);

// The metrics of a task's texts; a task that is not in the table gets wer and accuracy. Hypotheses with tag scores also
// get the metrics of tag_metrics().
const std::vector<std::string>& text_metrics_of(const std::string& task);
const std::vector<std::string>& tag_metrics();
// Whether a metric reads tag scores rather than texts.
bool is_tag_metric(const std::string& metric);

// The values of `metrics` over the hypotheses, each under its name as a fraction (null where it is not defined), with
// the counts that belong to it, and "n", the number of hypotheses. Throws UserError for an unknown metric, for a metric
// whose input no line has, and for references or scores that it cannot read.
Json score(const std::vector<Hypothesis>& hypotheses, const std::vector<std::string>& metrics,
           const ScoreOptions& options);

// The same metrics, names alone, of an answer that never listens: always the most frequent reference (the earliest of
// equals), and one score for all tags.
Json majority_score(const std::vector<Hypothesis>& hypotheses, const std::vector<std::string>& metrics,
                    const ScoreOptions& options);

}  // namespace usam::eval
