#pragma once
// Answers of a recipe over test sets: what usam-eval writes and what training may watch.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "recipes/answers.h"
#include "recipes/run.h"
#include "src/base/json.h"
#include "src/eval/hypotheses.h"

namespace usam::recipes {

struct AnsweredSet {
  std::vector<eval::Hypothesis> hypotheses;  // in the order of the rows
  std::vector<Json> explained;               // one a hypothesis, where asked for: Answers::explain with key and audio
};

// Decodes every row of the manifests and scores the tags of rows that have them: candidates are those of
// evaluate.tags, else the union over the rows. Samples that cannot be read are handled as data.on_error says.
AnsweredSet answer(Recipe& recipe, const std::vector<data::ManifestConfig>& manifests, const RunConfig& config,
                   bool explains, std::shared_ptr<data::SkipList> skips);

// The metrics of a set as "task/metric", for the trainer to compare checkpoints by, and "tasks/error": the mean over
// the tasks of WER (1 at most), 1 - mAP, 1 - accuracy or 1 - BLEU, the first of these that a task has.
std::map<std::string, double> figures(const Json& report);

}  // namespace usam::recipes
