#pragma once
#include <string>
#include <vector>

#include "src/eval/hypotheses.h"

namespace usam::eval {

// Writes FOLDER/references.json and FOLDER/results.json, the two files of the COCO captioning tools (pycocoevalcap's
// COCO(references).loadRes(results), which aac-metrics users convert from too): an "image" per line with text, numbered
// from 0 in the order of the lines, its key as the file name; texts as they are. UserError when no line has a text or
// the lines are of several tasks.
void write_coco(const std::string& folder, const std::vector<Hypothesis>& hypotheses);

}  // namespace usam::eval
