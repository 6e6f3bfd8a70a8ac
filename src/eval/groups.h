#pragma once
// Hypotheses apart by task and by source.
#include <string>
#include <vector>

#include "src/eval/task_metrics.h"

namespace usam::eval {

struct Group {
  std::string name;
  std::vector<Hypothesis> hypotheses;
};

// In the order of first appearance. Hypotheses without a task are of task "other"; those without a source are left out.
std::vector<Group> groups_by_task(const std::vector<Hypothesis>& hypotheses);
std::vector<Group> groups_by_source(const std::vector<Hypothesis>& hypotheses);

// Those of `metrics` (none: those that the options give the task) whose input the group has.
std::vector<std::string> applicable(const Group& task, const std::vector<std::string>& metrics,
                                    const ScoreOptions& options);

// How all tasks are scored: {"normalizer", "bleu_tokens"} and, where there are intervals, "bootstrap".
Json stamps(const ScoreOptions& options);

}  // namespace usam::eval
