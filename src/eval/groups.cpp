#include "src/eval/groups.h"

#include <algorithm>
#include <map>

namespace usam::eval {
namespace {

// Hypotheses by the name that `name_of` gives; those named "" are left out.
template <class NameOf>
std::vector<Group> grouped(const std::vector<Hypothesis>& hypotheses, NameOf name_of) {
  std::vector<Group> groups;
  std::map<std::string, size_t> places;
  for (const Hypothesis& h : hypotheses) {
    const std::string name = name_of(h);
    if (name.empty()) continue;
    const auto [found, is_new] = places.try_emplace(name, groups.size());
    if (is_new) groups.push_back({name, {}});
    groups[found->second].hypotheses.push_back(h);
  }
  return groups;
}

}  // namespace

std::vector<Group> groups_by_task(const std::vector<Hypothesis>& hypotheses) {
  return grouped(hypotheses, [](const Hypothesis& h) { return h.task.empty() ? "other" : h.task; });
}

std::vector<Group> groups_by_source(const std::vector<Hypothesis>& hypotheses) {
  return grouped(hypotheses, [](const Hypothesis& h) { return h.source; });
}

std::vector<std::string> applicable(const Group& task, const std::vector<std::string>& metrics,
                                    const ScoreOptions& options) {
  const bool texts = std::ranges::any_of(task.hypotheses, [](const Hypothesis& h) { return h.answer.has_value(); });
  const bool scores = std::ranges::any_of(task.hypotheses, [](const Hypothesis& h) { return !h.scores.empty(); });
  std::vector<std::string> names = metrics.empty() ? metrics_of(task.name, options) : metrics;
  std::erase_if(names, [&](const std::string& name) { return is_tag_metric(name) ? !scores : !texts; });
  return names;
}

Json stamps(const ScoreOptions& options) {
  Json out = {{"normalizer", options.normalizer->stamp()}, {"bleu_tokens", name_of(options.bleu_tokens)}};
  if (options.bootstrap.resamples > 0)
    out["bootstrap"] = {{"resamples", options.bootstrap.resamples}, {"seed", options.bootstrap.seed}};
  return out;
}

}  // namespace usam::eval
