#include "src/text/label_metrics.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

namespace usam::text {
namespace {

double ratio(double part, double whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : part / whole;
}

}  // namespace

LabelTable::LabelTable(const std::vector<LabelPair>& pairs) {
  std::map<std::string, size_t> numbers;
  const auto number = [&](const std::string& label) {
    return numbers.try_emplace(label, numbers.size()).first->second;
  };
  for (const LabelPair& pair : pairs) {
    const size_t truth = number(pair.truth);
    samples_.push_back({truth, number(pair.answer)});
  }
  labels_ = numbers.size();
}

std::vector<LabelTable::Counts> LabelTable::counts(const Weights& weights) const {
  std::vector<Counts> counts(labels_);
  for (size_t i = 0; i < samples_.size(); ++i) {
    const auto [truth, answer] = samples_[i];
    const double weight = weight_of(weights, i);
    counts[truth].truths += weight;
    counts[answer].answers += weight;
    if (truth == answer) counts[truth].both += weight;
  }
  std::erase_if(counts, [](const Counts& c) { return c.truths + c.answers == 0; });
  return counts;
}

double LabelTable::accuracy(const Weights& weights) const {
  double right = 0, all = 0;
  for (size_t i = 0; i < samples_.size(); ++i) {
    const double weight = weight_of(weights, i);
    all += weight;
    if (samples_[i].truth == samples_[i].answer) right += weight;
  }
  return ratio(right, all);
}

double LabelTable::macro_f1(const Weights& weights) const {
  const auto all = counts(weights);
  double sum = 0;
  for (const Counts& label : all) sum += label.f1();
  return ratio(sum, static_cast<double>(all.size()));
}

double LabelTable::weighted_f1(const Weights& weights) const {
  double sum = 0, truths = 0;
  for (const Counts& label : counts(weights)) {
    sum += label.truths * label.f1();
    truths += label.truths;
  }
  return ratio(sum, truths);
}

SortedRanking::SortedRanking(const Ranking& ranking) {
  std::vector<size_t> order(ranking.scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, [&](size_t a, size_t b) { return ranking.scores[a] > ranking.scores[b]; });
  for (size_t i = 0; i < order.size(); ++i) {
    const bool is_last = i + 1 == order.size() || ranking.scores[order[i + 1]] != ranking.scores[order[i]];
    places_.push_back({static_cast<uint32_t>(order[i]), ranking.positive[order[i]], is_last});
  }
}

RankingAreas SortedRanking::areas(const Weights& weights) const {
  double positives = 0, negatives = 0;              // of the ties so far
  double tied_positives = 0, tied_negatives = 0;    // of this tie
  double steps = 0, trapezoids = 0, pairs_won = 0;  // of the ties so far
  for (const Place& place : places_) {
    (place.is_positive ? tied_positives : tied_negatives) += weight_of(weights, place.sample);
    if (!place.is_last_of_tie) continue;
    pairs_won += tied_negatives * (positives + tied_positives / 2);
    if (tied_positives > 0) {  // few are: recall stands still elsewhere
      const double seen = positives + negatives, now = seen + tied_positives + tied_negatives;
      const double before = seen == 0 ? 1 : positives / seen, precision = (positives + tied_positives) / now;
      steps += tied_positives * precision;
      trapezoids += tied_positives * (precision + before) / 2;
    }
    positives += tied_positives;
    negatives += tied_negatives;
    tied_positives = tied_negatives = 0;
  }
  return {ratio(steps, positives), ratio(trapezoids, positives), ratio(pairs_won, positives * negatives),
          positives > 0 && negatives > 0};
}

double average_precision(const Ranking& ranking) {
  return SortedRanking(ranking).areas().average_precision;
}

MacroMean macro_mean(const std::vector<SortedRanking>& classes, double RankingAreas::* area, const Weights& weights) {
  MacroMean mean;
  double sum = 0;
  for (const SortedRanking& one : classes) {
    const RankingAreas areas = one.areas(weights);
    ++(areas.has_both ? mean.used : mean.skipped);
    if (areas.has_both) sum += areas.*area;
  }
  mean.value = ratio(sum, static_cast<double>(mean.used));
  return mean;
}

}  // namespace usam::text
