#include "src/eval/compare.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/eval/bootstrap.h"
#include "src/eval/groups.h"
#include "src/eval/metric.h"

namespace usam::eval {
namespace {

using Hypotheses = std::vector<Hypothesis>;
using Names = std::vector<std::string>;

constexpr size_t kMostNamed = 10;

// A sample's name in messages, and what tells it from others: one clip may serve several tasks.
std::string name_of(const Hypothesis& h) {
  return h.task.empty() ? fmt::format("'{}'", h.key) : fmt::format("'{}' ({})", h.key, h.task);
}

std::map<std::string, const Hypothesis*> by_name(const Hypotheses& hypotheses) {
  std::map<std::string, const Hypothesis*> all;
  for (const Hypothesis& h : hypotheses)
    if (!all.emplace(name_of(h), &h).second)
      user_error("{}: the key {} stands here a second time; a comparison needs to know which lines belong together.",
                 h.where(), name_of(h));
  return all;
}

// The names of hypotheses that the others lack.
Names missing_from(const std::map<std::string, const Hypothesis*>& others, const Hypotheses& hypotheses) {
  Names missing;
  for (const Hypothesis& h : hypotheses)
    if (!others.contains(name_of(h))) missing.push_back(name_of(h));
  return missing;
}

// `against` in the order of the hypotheses.
Hypotheses paired(const Hypotheses& hypotheses, const Hypotheses& against) {
  const auto ours = by_name(hypotheses), theirs = by_name(against);
  std::string problem;
  if (const Names lack = missing_from(theirs, hypotheses); !lack.empty())
    problem = fmt::format(" The second lacks {}.", join_some(lack, kMostNamed));
  if (const Names lack = missing_from(ours, against); !lack.empty())
    problem += fmt::format(" The first lacks {}.", join_some(lack, kMostNamed));
  if (!problem.empty()) user_error("A comparison needs two files with the same keys.{}", problem);
  Hypotheses result;
  for (const Hypothesis& h : hypotheses) {
    const Hypothesis& other = *theirs.at(name_of(h));
    if (h.references != other.references || h.tags != other.tags)
      user_error("{} and {}: the key {} has other references here and there; a comparison needs the same.", h.where(),
                 other.where(), name_of(h));
    if (h.answer.has_value() != other.answer.has_value() || h.scores.empty() != other.scores.empty())
      user_error("{} and {}: the key {} has a text or scores on one side only; a comparison needs the same.", h.where(),
                 other.where(), name_of(h));
    result.push_back(other);
  }
  return result;
}

// Resampled differences; those where one side is not defined are left out.
std::vector<double> differences(const Value& ours, const Value& theirs, size_t size, const Bootstrap& bootstrap) {
  std::vector<double> all;
  for (int64_t r = 0; r < bootstrap.resamples; ++r) {
    const text::Weights weights = resample(bootstrap.seed, r, size);
    const double difference = ours(weights) - theirs(weights);
    if (!std::isnan(difference)) all.push_back(difference);
  }
  return all;
}

double two_sided_p(const std::vector<double>& differences, double found) {
  const auto far = std::ranges::count_if(differences, [&](double d) { return std::abs(d - found) >= std::abs(found); });
  return static_cast<double>(far + 1) / static_cast<double>(differences.size() + 1);
}

double share_better(const std::vector<double>& differences, bool is_error) {
  double better = 0;
  for (const double d : differences) better += d == 0 ? 0.5 : (d < 0) == is_error ? 1 : 0;
  return better / static_cast<double>(differences.size());  // NaN for none
}

// By the errors on each utterance; those without a reference are equal.
Json utterances(const Samples& ours, const Samples& theirs, text::Unit unit) {
  const auto a = sample_edits(ours.pairs, unit), b = sample_edits(theirs.pairs, unit);
  int64_t better = 0, worse = 0, equal = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    // Errors over the reference's length, which differs where several references are given.
    const int64_t mine = a[i].errors() * b[i].reference_length(), other = b[i].errors() * a[i].reference_length();
    ++(mine < other ? better : mine > other ? worse : equal);
  }
  return {{"better", better}, {"worse", worse}, {"equal", equal}};
}

Json compare_metric(const Metric& metric, const Samples& ours, const Samples& theirs, const Bootstrap& bootstrap) {
  Json counts = Json::object();
  const Value a = metric.prepare(ours, counts), b = metric.prepare(theirs, counts = Json::object());
  const double difference = a({}) - b({});
  const auto resampled = differences(a, b, ours.lines.size(), bootstrap);
  Json out = {{"value", a({})}, {"against", b({})}, {"difference", difference}};
  out["difference_ci"] = interval_95(resampled);
  out["p_value"] = std::isnan(difference) ? Json(nullptr) : Json(two_sided_p(resampled, difference));
  out["better_in"] = share_better(resampled, metric.is_error);
  if (metric.name == "wer" || metric.name == "mer") out["utterances"] = utterances(ours, theirs, text::Unit::kWord);
  if (metric.name == "cer") out["utterances"] = utterances(ours, theirs, text::Unit::kCharacter);
  return out;
}

}  // namespace

Json compare(const Hypotheses& hypotheses, const Hypotheses& against, const Names& metrics,
             const ScoreOptions& options) {
  const auto ours = groups_by_task(hypotheses), theirs = groups_by_task(paired(hypotheses, against));
  Json out = stamps(options);
  for (size_t g = 0; g < ours.size(); ++g) {
    const std::string& name = ours[g].name;
    Json& task = out["tasks"][name] = Json::object();
    for (const std::string& one : applicable(ours[g], metrics, options)) {
      const Metric& metric = find_metric(one);
      task[one] =
          compare_metric(metric, samples_of(ours[g].hypotheses, metric.reads_scores, name, options),
                         samples_of(theirs[g].hypotheses, metric.reads_scores, name, options), options.bootstrap);
    }
    task["n"] = ours[g].hypotheses.size();
  }
  return out;
}

}  // namespace usam::eval
