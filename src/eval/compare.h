#pragma once
#include <string>
#include <vector>

#include "src/eval/task_metrics.h"

namespace usam::eval {

// Whether one system is better than another on the same samples, or chance made it look so (paired bootstrap, Koehn
// 2004). Per task and metric:
//   {"value", "against", "difference": value - against, "difference_ci": [low, high], "p_value", "better_in"}
// where the interval is the 95 % one, the p-value is two-sided (how often resampled differences are as far from the
// difference found as that is from none: sacrebleu's shift, after Riezler and Maxwell 2005) and `better_in` is the
// share of resamples in which the first system is the better one, equal ones counting half. Error rates also bring
// "utterances": {"better", "worse", "equal"}, how the first system stands on each.
// UserError when the two do not hold the same keys of the same tasks, once each and with the same references.
Json compare(const std::vector<Hypothesis>& hypotheses, const std::vector<Hypothesis>& against,
             const std::vector<std::string>& metrics, const ScoreOptions& options);

}  // namespace usam::eval
