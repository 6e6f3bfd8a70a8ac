#pragma once
// Metrics as people read them.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/json.h"

namespace usam::eval::html {

struct MetricStyle {
  std::string title;   // "WER"
  double scale = 100;  // fractions become percent; 1: the value itself
  bool is_percent = true;
  int better = 0;  // 1: more is better, -1: less, 0: nobody says
};
// A metric that is not known is shown as it is under its own name.
MetricStyle style_of(const std::string& metric);

// "12.3 %", "0.712"; "–" for null.
std::string shown(const std::string& metric, const Json& value);
std::string count_text(int64_t count);                // "12 345"
std::string number_text(double value, int decimals);  // with a true minus sign

// The metrics in a task's object of metrics.json, in its order, the one that leads it first: map where there is one.
std::vector<std::string> metrics_in(const Json& task);
// The bounds of a metric's confidence interval, where the report was made with them.
std::optional<std::pair<double, double>> interval_of(const Json& task, const std::string& metric);

}  // namespace usam::eval::html
