#include "src/eval/report.h"

#include <algorithm>

#include "src/base/error.h"

namespace usam::eval {
namespace {

using Hypotheses = std::vector<Hypothesis>;
using Names = std::vector<std::string>;

struct Group {
  std::string name;
  Hypotheses hypotheses;
};

// Hypotheses by the name that `name_of` gives, in the order of first appearance; those named "" are left out.
template <class NameOf>
std::vector<Group> grouped(const Hypotheses& hypotheses, NameOf name_of) {
  std::vector<Group> groups;
  for (const Hypothesis& h : hypotheses) {
    const std::string name = name_of(h);
    if (name.empty()) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.name == name; });
    if (group == groups.end()) group = groups.insert(groups.end(), Group{name, {}});
    group->hypotheses.push_back(h);
  }
  return groups;
}

// Those of `metrics` (none: those that the table gives the task) whose input the hypotheses have.
Names applicable(const Group& group, const Names& metrics) {
  const auto has_text = [](const Hypothesis& h) { return h.answer.has_value(); };
  const auto has_tags = [](const Hypothesis& h) { return !h.scores.empty(); };
  const bool texts = std::any_of(group.hypotheses.begin(), group.hypotheses.end(), has_text);
  const bool tags = std::any_of(group.hypotheses.begin(), group.hypotheses.end(), has_tags);
  Names candidates = metrics;
  if (metrics.empty()) {
    candidates = text_metrics_of(group.name);
    candidates.insert(candidates.end(), tag_metrics().begin(), tag_metrics().end());
  }
  std::erase_if(candidates, [&](const std::string& name) { return is_tag_metric(name) ? !tags : !texts; });
  return candidates;
}

Json by_task(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options) {
  Json tasks = Json::object();
  for (const Group& group :
       grouped(hypotheses, [](const Hypothesis& h) { return h.task.empty() ? "other" : h.task; })) {
    const Names names = applicable(group, metrics);
    Json task = score(group.hypotheses, names, options);
    task["majority"] = majority_score(group.hypotheses, names, options);
    tasks[group.name] = std::move(task);
  }
  return tasks;
}

const char* name_of(text::BleuTokens tokens) {
  switch (tokens) {
    case text::BleuTokens::k13a:
      return "13a";
    case text::BleuTokens::kZh:
      return "zh";
    case text::BleuTokens::kChar:
      return "char";
  }
  internal_error("unknown BLEU tokenizer");
}

void add_groups(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options, Json& out) {
  out["normalizer"] = options.normalizer->stamp();
  out["bleu_tokens"] = name_of(options.bleu_tokens);
  out["tasks"] = by_task(hypotheses, metrics, options);
  out["sources"] = Json::object();
  for (const Group& source : grouped(hypotheses, [](const Hypothesis& h) { return h.source; }))
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
