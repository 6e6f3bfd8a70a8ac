#pragma once
#include <string>
#include <vector>

#include "src/eval/task_metrics.h"

namespace usam::eval {

// The content of metrics.json:
//   {"normalizer": "whisper_en/1", "bleu_tokens": "13a",
//    "tasks": {"ASR": {"wer", "cer", ..., "n", "majority": {"wer", "cer"}}, "MC": {"map", "tags", ..., "n", ...}, ...},
//    "sources": {"test.jsonl": {"ASR": {...}, ...}, ...}}
// Fractions, not percent. Tasks and sources stand in the order of their first hypothesis; hypotheses without a task
// count as task "other", those without a source appear under tasks only.
Json report(const std::vector<Hypothesis>& hypotheses, const ScoreOptions& options);

// What usam-score prints: the chosen metrics over all hypotheses at the top, the same per task and per source below.
// With no metrics chosen it is report().
Json score_report(const std::vector<Hypothesis>& hypotheses, const std::vector<std::string>& metrics,
                  const ScoreOptions& options);

}  // namespace usam::eval
