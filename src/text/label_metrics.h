#pragma once
// Metrics over labels, scores and numbers, equal to scikit-learn's and numpy's of the same names.
#include <cstdint>
#include <string>
#include <vector>

namespace usam::text {

struct LabelPair {
  std::string truth, answer;
};
// Share of answers that equal the truth; NaN for no pairs.
double accuracy(const std::vector<LabelPair>& pairs);
// Mean F1 over all labels that occur as truth or answer (0 where a label is never both); NaN for no pairs.
double macro_f1(const std::vector<LabelPair>& pairs);

// One class over all samples.
struct Ranking {
  std::vector<bool> positive;
  std::vector<double> scores;  // finite; higher means more likely positive
};
// Area under the precision-recall curve as the sum of (R_n - R_(n-1)) P_n over distinct scores; NaN without a positive.
double average_precision(const Ranking& ranking);
// Probability that a positive outscores a negative, ties counting half; NaN without a positive or without a negative.
double roc_auc(const Ranking& ranking);

// Mean over the classes for which the metric is defined; the others are counted, never scored.
struct MacroMean {
  double value = 0;  // NaN when no class is left
  int64_t used = 0, skipped = 0;
};
MacroMean macro_mean(const std::vector<Ranking>& classes, double (*metric)(const Ranking&));

struct NumberPair {
  double truth, answer;
};
// Mean absolute error; NaN for no pairs.
double mean_absolute_error(const std::vector<NumberPair>& pairs);
// Pearson's correlation; NaN for fewer than two pairs or where one side is constant.
double pearson(const std::vector<NumberPair>& pairs);

}  // namespace usam::text
