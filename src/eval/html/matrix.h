#pragma once
#include "src/base/json.h"
#include "src/eval/html/markup.h"

namespace usam::eval::html {

// A confusion matrix {"labels": [...], "counts": [[...], ...]} (rows: truth, columns: answers, perhaps with more of
// these than labels) as an SVG whose cells are as dark as their share of the row, and the commonest confusions in
// words. Nothing for what has another form or no labels.
Markup confusion_matrix(const Json& confusion);

}  // namespace usam::eval::html
