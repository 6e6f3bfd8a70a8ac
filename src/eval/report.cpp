#include "src/eval/report.h"

#include <algorithm>

#include "src/eval/groups.h"

namespace usam::eval {
namespace {

using Hypotheses = std::vector<Hypothesis>;
using Names = std::vector<std::string>;

Json of_task(const Group& group, const Names& metrics, const ScoreOptions& options) {
  const Names names = applicable(group, metrics, options);
  Json task = score(group.hypotheses, names, options, group.name);
  // What a config names for a task stands in the report even where the task's lines have no input for it.
  if (const auto own = options.tasks.find(group.name); metrics.empty() && own != options.tasks.end())
    for (const std::string& name : own->second.metrics)
      if (!task.contains(name)) task[name] = nullptr;
  const std::string stamp = task_normalizer(group.name, options).stamp();
  if (stamp != options.normalizer->stamp()) task["normalizer"] = stamp;
  task["majority"] = majority_score(group.hypotheses, names, options, group.name);
  return task;
}

Json by_task(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options) {
  Json tasks = Json::object();
  for (const Group& group : groups_by_task(hypotheses)) tasks[group.name] = of_task(group, metrics, options);
  return tasks;
}

void add_groups(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options, Json& out) {
  out.update(stamps(options));
  out["tasks"] = by_task(hypotheses, metrics, options);
  out["sources"] = Json::object();
  for (const Group& source : groups_by_source(hypotheses))
    out["sources"][source.name] = by_task(source.hypotheses, metrics, options);
}

}  // namespace

Json report(const Hypotheses& hypotheses, const ScoreOptions& options) {
  Json out = Json::object();
  add_groups(hypotheses, {}, options, out);
  return out;
}

Json score_report(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options) {
  if (metrics.empty()) return report(hypotheses, options);
  Json out = score(hypotheses, metrics, options);
  add_groups(hypotheses, metrics, options, out);
  return out;
}

}  // namespace usam::eval
