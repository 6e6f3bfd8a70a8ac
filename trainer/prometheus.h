#pragma once
#include <string>

#include "src/base/json.h"

namespace usam {

// How a run stands, in the text format of Prometheus (0.0.4): of {"step", figures, "eval": {...}, "time": {...},
// "health": {...}} the numbers as gauges usam_step, usam_train, usam_eval and usam_time and the counter
// usam_health_total, labelled with the run's folder and the figure's name.
std::string prometheus_text(const std::string& run, const Json& figures);

}  // namespace usam
