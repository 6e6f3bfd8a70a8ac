#pragma once
// report.html of an evaluation.
#include <string>
#include <utility>
#include <vector>

#include "recipes/evaluation.h"

namespace usam::recipes {

struct ReportParts {
  Json metrics;        // the content of metrics.json
  std::string output;  // folder that report.html is written to
  std::string title;
  std::vector<std::pair<std::string, std::string>> origin;  // for the foot of the page
};

// Writes report.html: the figures, and of each task the evaluate.report.examples worst samples with their audio. How
// the model heard these is taken from `answered` where that has it, else asked of the recipe.
void write_report(Recipe& recipe, const AnsweredSet& answered, const RunConfig& config, const ReportParts& parts);

}  // namespace usam::recipes
