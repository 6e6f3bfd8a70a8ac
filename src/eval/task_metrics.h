#pragma once
// Which metrics exist, which of them a task gets, and what they are over a set of hypotheses.
#include <cstdint>
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

// Resamples behind the 95 % intervals that stand beside the metrics; none for 0.
struct Bootstrap {
  int64_t resamples = 0;
  uint64_t seed = 20;
};

struct ScoreOptions {
  std::shared_ptr<const text::Normalizer> normalizer;  // for all but BLEU, chrF and ROUGE, which have their own rules
  text::BleuTokens bleu_tokens = text::BleuTokens::k13a;
  std::map<std::string, TaskOptions> tasks = {};
  Bootstrap bootstrap = {};
};

// Names of all metrics, in the order of the help.
const std::vector<std::string>& metric_names();
// "" for the name of a metric, else the sentence that refuses it.
std::string unknown_metric(const std::string& name);
// Whether a metric reads tag scores rather than texts. Throws UserError for an unknown name.
bool is_tag_metric(const std::string& metric);

// The metrics of a task: those that the options name for it, else those of its kind of answer, else of its name.
std::vector<std::string> metrics_of(const std::string& task, const ScoreOptions& options);
// What a task's answers are, by the options or else by the metrics that it gets.
Answer answer_of(const std::string& task, const std::vector<std::string>& metrics, const ScoreOptions& options);
const text::Normalizer& task_normalizer(const std::string& task, const ScoreOptions& options);

// The values of `metrics` over the hypotheses of a task ("" for no task in particular), each under its name as a
// fraction (null where it is not defined), with its interval ("wer_ci": [low, high]) where the options ask for one and
// the counts that belong to it; "failures" of the answers (failures.h); "n", the number of hypotheses. Throws UserError
// for an unknown metric, for a metric whose input no line has, and for references or scores that it cannot read.
Json score(const std::vector<Hypothesis>& hypotheses, const std::vector<std::string>& metrics,
           const ScoreOptions& options, const std::string& task = "");

// The same metrics, names alone, of an answer that never listens: always the most frequent reference (the earliest of
// equals), and one score for all tags.
Json majority_score(const std::vector<Hypothesis>& hypotheses, const std::vector<std::string>& metrics,
                    const ScoreOptions& options, const std::string& task = "");

}  // namespace usam::eval
