#pragma once
// Which samples of a task a report shows: those with the largest errors of their own.
#include <string>
#include <vector>

#include "src/eval/hypotheses.h"
#include "src/eval/task_metrics.h"

namespace usam::eval::html {

// How an answer of a task is read.
enum class Kind { kText, kLabel, kNumber, kTags };
Kind kind_of(const std::string& task, const Json& metrics, const ScoreOptions& options);

struct Example {
  size_t index = 0;       // in the hypotheses
  double error = 0;       // the larger, the worse; 0: nothing is wrong
  std::string reference;  // of several the nearest, normalised; not of tags
  std::string answer;     // normalised; not of tags
};

// A task's samples in the order of their first hypothesis, worst first, `count` at most. `metrics` are those of
// metrics.json under "tasks".
struct TaskExamples {
  std::string task;
  Kind kind = Kind::kText;
  std::vector<Example> worst;
};
std::vector<TaskExamples> worst_examples(const std::vector<Hypothesis>& hypotheses, const Json& tasks,
                                         const ScoreOptions& options, int64_t count);

}  // namespace usam::eval::html
