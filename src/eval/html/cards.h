#pragma once
// One sample of a report: what was said, what was answered, how it was heard.
#include <string>

#include "src/eval/html/examples.h"
#include "src/eval/html/heard.h"
#include "src/eval/html/markup.h"

namespace usam::eval::html {

Markup card(const Hypothesis& hypothesis, const Example& example, Kind kind, const Heard& heard);

// The two rows of an alignment; substitutions, deletions and insertions are coloured.
Markup alignment(const std::string& reference, const std::string& answer);

}  // namespace usam::eval::html
