#pragma once
// Answers that are none, counted apart from those that are wrong.
#include <optional>
#include <string>

#include "src/eval/metric.h"

namespace usam::eval {

// The one number that the text holds ("3.5", "about 4 stars"); nothing where it holds none, or several.
std::optional<double> number_in(const std::string& text);

// {"empty", "looping", "unparsable"} over samples with texts, each answer counted once, under the first that it is:
// empty after normalisation; stuck (is_looping); where labels are asked for, none of them; where a number is asked for,
// not holding one.
Json failures(const Samples& samples, Answer answer);

}  // namespace usam::eval
