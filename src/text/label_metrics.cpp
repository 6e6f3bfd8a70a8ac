#include "src/text/label_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace usam::text {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

double ratio(double part, double whole) {
  return whole == 0 ? kUndefined : part / whole;
}

// Positives and negatives that share one score, from the highest score down.
struct Tie {
  double positives = 0, negatives = 0;
};
std::vector<Tie> ties_of(const Ranking& ranking) {
  std::map<double, Tie, std::greater<>> by_score;
  for (size_t i = 0; i < ranking.scores.size(); ++i) {
    Tie& tie = by_score[ranking.scores[i]];
    ++(ranking.positive[i] ? tie.positives : tie.negatives);
  }
  std::vector<Tie> ties;
  for (const auto& entry : by_score) ties.push_back(entry.second);
  return ties;
}

}  // namespace

double accuracy(const std::vector<LabelPair>& pairs) {
  const auto right = std::count_if(pairs.begin(), pairs.end(), [](const auto& p) { return p.truth == p.answer; });
  return ratio(static_cast<double>(right), static_cast<double>(pairs.size()));
}

double macro_f1(const std::vector<LabelPair>& pairs) {
  struct Counts {
    double both = 0, truths = 0, answers = 0;
  };
  std::map<std::string, Counts> labels;
  for (const LabelPair& pair : pairs) {
    ++labels[pair.truth].truths;
    ++labels[pair.answer].answers;
    if (pair.truth == pair.answer) ++labels[pair.truth].both;
  }
  double sum = 0;
  for (const auto& [label, c] : labels) sum += 2 * c.both / (c.truths + c.answers);
  return ratio(sum, static_cast<double>(labels.size()));
}

double average_precision(const Ranking& ranking) {
  double area = 0, positives = 0, seen = 0;
  for (const Tie& tie : ties_of(ranking)) {
    positives += tie.positives;
    seen += tie.positives + tie.negatives;
    area += tie.positives * positives / seen;
  }
  return ratio(area, positives);
}

double roc_auc(const Ranking& ranking) {
  double pairs_won = 0, positives = 0, negatives = 0;
  for (const Tie& tie : ties_of(ranking)) {
    pairs_won += tie.negatives * (positives + tie.positives / 2);
    positives += tie.positives;
    negatives += tie.negatives;
  }
  return ratio(pairs_won, positives * negatives);
}

MacroMean macro_mean(const std::vector<Ranking>& classes, double (*metric)(const Ranking&)) {
  MacroMean mean;
  double sum = 0;
  for (const Ranking& ranking : classes) {
    const double value = metric(ranking);
    ++(std::isnan(value) ? mean.skipped : mean.used);
    if (!std::isnan(value)) sum += value;
  }
  mean.value = ratio(sum, static_cast<double>(mean.used));
  return mean;
}

double mean_absolute_error(const std::vector<NumberPair>& pairs) {
  double sum = 0;
  for (const NumberPair& pair : pairs) sum += std::abs(pair.truth - pair.answer);
  return ratio(sum, static_cast<double>(pairs.size()));
}

double pearson(const std::vector<NumberPair>& pairs) {
  if (pairs.size() < 2) return kUndefined;
  const double n = static_cast<double>(pairs.size());
  double truth_mean = 0, answer_mean = 0;
  for (const NumberPair& p : pairs) truth_mean += p.truth / n, answer_mean += p.answer / n;
  double together = 0, truths = 0, answers = 0;
  for (const NumberPair& p : pairs) {
    together += (p.truth - truth_mean) * (p.answer - answer_mean);
    truths += (p.truth - truth_mean) * (p.truth - truth_mean);
    answers += (p.answer - answer_mean) * (p.answer - answer_mean);
  }
  return ratio(together, std::sqrt(truths * answers));
}

}  // namespace usam::text
