#pragma once
// report.html: one file that a browser opens from anywhere, without a network.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "src/base/json.h"
#include "src/eval/html/heard.h"
#include "src/eval/hypotheses.h"
#include "src/eval/task_metrics.h"

namespace usam::eval::html {

struct Page {
  std::string title;
  std::string subtitle;
  Json report;                                              // the content of metrics.json
  int64_t examples = 10;                                    // of each task, the worst first
  std::map<std::string, Heard> heard;                       // of samples by their keys
  std::vector<std::pair<std::string, std::string>> origin;  // for the foot: "checkpoint", "usam", ...
};

// `options` are those that the report was made with.
std::string render(const Page& page, const std::vector<Hypothesis>& hypotheses, const ScoreOptions& options);

}  // namespace usam::eval::html
