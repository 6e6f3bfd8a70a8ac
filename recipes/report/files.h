#pragma once
// The files of an evaluation.
#include <string>

#include "recipes/evaluation.h"

namespace usam::recipes {

// What was evaluated.
struct Origin {
  std::string checkpoint;  // without links
  Json hashes;             // answers_origin()
};

// Writes hypotheses.jsonl, explained.jsonl (where answers are explained), metrics.json and report.html into a folder
// that exists. Result: the content of metrics.json.
Json write_evaluation(Recipe& recipe, const AnsweredSet& answered, const RunConfig& config, const std::string& output,
                      const Origin& origin);

}  // namespace usam::recipes
