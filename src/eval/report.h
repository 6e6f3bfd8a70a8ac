#pragma once
#include <string>
#include <vector>

#include "src/eval/task_metrics.h"

namespace usam::eval {

// The content of metrics.json:
//   {"normalizer": "whisper_en/1", "bleu_tokens": "13a", "bootstrap": {"resamples", "seed"} where there are intervals,
//    "tasks": {"ASR": {"wer", "wer_ci": [low, high], ..., "failures": {"empty", "looping", "unparsable"}, "n",
//                      "normalizer" where it is another than above, "majority": {"wer", "cer"}},
//              "SEC": {"accuracy", "confusion": {"labels", "counts"}, ...},
//              "MC": {"map", "tags", ..., "per_tag": {"piano": {"positives", "map", "roc_auc", "pr_auc"}, ...}, ...}},
//    "sources": {"test.jsonl": {"ASR": {...}, ...}, ...}}
// Fractions, not percent. Tasks and sources stand in the order of their first hypothesis; hypotheses without a task
// count as task "other", those without a source appear under tasks only. A metric that the options name for a task is
// null where the task's lines have no input for it.
Json report(const std::vector<Hypothesis>& hypotheses, const ScoreOptions& options);

// What usam-score prints: the chosen metrics over all hypotheses at the top, the same per task and per source below.
// With no metrics chosen it is report().
Json score_report(const std::vector<Hypothesis>& hypotheses, const std::vector<std::string>& metrics,
                  const ScoreOptions& options);

}  // namespace usam::eval
