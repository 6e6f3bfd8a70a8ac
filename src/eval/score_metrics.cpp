// Metrics over scores: areas per tag, retrieval.
#include <algorithm>
#include <set>

#include "src/base/error.h"
#include "src/eval/metric.h"
#include "src/text/label_metrics.h"

namespace usam::eval {
namespace {

using text::RankingAreas;

// One ranking per candidate tag, in alphabetical order. Every line must score the same candidates.
std::vector<text::Ranking> rankings(const Samples& samples) {
  const Hypothesis& first = *samples.lines.front();
  std::vector<text::Ranking> classes(first.scores.size());
  for (const Hypothesis* h : samples.lines) {
    const std::set<std::string> tags(h->tags.begin(), h->tags.end());
    if (!std::ranges::equal(
            h->scores, first.scores, {}, [](const auto& s) { return s.first; }, [](const auto& s) { return s.first; }))
      user_error(
          "{}: \"scores\" holds other tags than those of {}; all lines must score the same candidates. (Retrieval, "
          "where "
          "each line has its own, is scored by recall_at_1, recall_at_5 and recall_at_10.)",
          h->where(), first.where());
    size_t index = 0;
    for (const auto& [tag, score] : h->scores) {
      classes[index].positive.push_back(tags.contains(tag));
      classes[index++].scores.push_back(score);
    }
  }
  return classes;
}

// True tags that are no candidates: they are not part of any mean, so they are counted.
int64_t tags_without_scores(const Samples& samples) {
  std::set<std::string> missing;
  for (const Hypothesis* h : samples.lines)
    for (const std::string& tag : h->tags)
      if (!h->scores.contains(tag)) missing.insert(tag);
  return static_cast<int64_t>(missing.size());
}

// Counts and, under "per_tag", the area of each tag.
void add_details(const Samples& samples, const std::vector<text::Ranking>& classes, Json& out) {
  int64_t used = 0, without_positive = 0, without_negative = 0;
  for (const text::Ranking& ranking : classes) {
    const auto positives = std::ranges::count(ranking.positive, true);
    const bool all = positives == std::ssize(ranking.positive);
    ++(positives == 0 ? without_positive : all ? without_negative : used);
  }
  out["tags"] = used;
  out["tags_without_positive"] = without_positive;
  out["tags_without_negative"] = without_negative;
  out["tags_without_scores"] = tags_without_scores(samples);
}

Value macro(const Samples& samples, Json& out, const char* name, double RankingAreas::* area) {
  const auto classes = rankings(samples);
  add_details(samples, classes, out);
  std::vector<text::SortedRanking> sorted(classes.begin(), classes.end());
  auto tag = samples.lines.front()->scores.begin();
  for (size_t c = 0; c < classes.size(); ++c, ++tag) {
    const RankingAreas areas = sorted[c].areas();
    Json& one = out["per_tag"][tag->first];
    one["positives"] = std::ranges::count(classes[c].positive, true);
    one[name] = areas.has_both ? Json(areas.*area) : Json(nullptr);
  }
  return [sorted = std::move(sorted), area](const text::Weights& weights) {
    return macro_mean(sorted, area, weights).value;
  };
}

Value map(const Samples& samples, Json& out) {
  return macro(samples, out, "map", &RankingAreas::average_precision);
}

Value roc_auc(const Samples& samples, Json& out) {
  return macro(samples, out, "roc_auc", &RankingAreas::roc_auc);
}

Value pr_auc(const Samples& samples, Json& out) {
  return macro(samples, out, "pr_auc", &RankingAreas::pr_auc);
}

// Wrong candidates that score as high as the best right one or higher: equal scores never help. Where no candidate is
// right, more than there are.
int64_t rank_of_right(const Hypothesis& h) {
  const std::set<std::string> right(h.tags.begin(), h.tags.end());
  bool is_found = false;
  double best = 0;
  for (const auto& [candidate, score] : h.scores) {
    if (!right.contains(candidate)) continue;
    best = is_found ? std::max(best, score) : score;
    is_found = true;
  }
  if (!is_found) return std::ssize(h.scores);
  return std::ranges::count_if(h.scores, [&](const auto& s) { return s.second >= best && !right.contains(s.first); });
}

template <int64_t kPlaces>
Value recall_at(const Samples& samples, Json& out) {
  std::vector<double> found;
  int64_t without_right = 0;
  for (const Hypothesis* h : samples.lines) {
    const bool has_right = std::ranges::any_of(h->tags, [&](const auto& tag) { return h->scores.contains(tag); });
    without_right += !has_right;
    found.push_back(has_right && rank_of_right(*h) < kPlaces);
  }
  out["lines_without_right_candidate"] = without_right;
  return mean_of(found);
}

}  // namespace

std::vector<Metric> score_metrics() {
  return {{"map", true, false, map},
          {"roc_auc", true, false, roc_auc},
          {"pr_auc", true, false, pr_auc},
          {"recall_at_1", true, false, recall_at<1>},
          {"recall_at_5", true, false, recall_at<5>},
          {"recall_at_10", true, false, recall_at<10>}};
}

}  // namespace usam::eval
