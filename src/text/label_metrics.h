#pragma once
// Metrics over labels and over rankings by score, equal to scikit-learn's of the same names.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "src/text/weights.h"

namespace usam::text {

struct LabelPair {
  std::string truth, answer;
};

// Answers beside the truth, read once for metrics under many weights. NaN where nothing has a weight.
class LabelTable {
 public:
  explicit LabelTable(const std::vector<LabelPair>& pairs);
  // Share of answers that equal the truth.
  double accuracy(const Weights& weights = {}) const;
  // F1 of each label that occurs as truth or answer (0 where it is never both): their mean, and their mean weighted by
  // how often each is the truth.
  double macro_f1(const Weights& weights = {}) const;
  double weighted_f1(const Weights& weights = {}) const;

 private:
  struct Counts {
    double both = 0, truths = 0, answers = 0;
    double f1() const { return 2 * both / (truths + answers); }
  };
  std::vector<Counts> counts(const Weights& weights) const;

  struct Sample {
    size_t truth, answer;  // numbers of labels
  };
  std::vector<Sample> samples_;
  size_t labels_ = 0;
};

// One class over all samples.
struct Ranking {
  std::vector<bool> positive;
  std::vector<double> scores;  // finite; higher means more likely positive
};

// The areas of one class. NaN where one is not defined.
struct RankingAreas {
  double average_precision;  // sum of (R_n - R_(n-1)) P_n over distinct scores; needs a positive
  double pr_auc;   // trapezoids under the precision-recall curve, which begins at precision 1; needs a positive
  double roc_auc;  // probability that a positive outscores a negative, ties counting half; needs both
  bool has_both;   // whether there is a positive and a negative
};

// A class with its samples in order, read once for areas under many weights.
class SortedRanking {
 public:
  explicit SortedRanking(const Ranking& ranking);
  RankingAreas areas(const Weights& weights = {}) const;

 private:
  struct Place {
    uint32_t sample;
    bool is_positive, is_last_of_tie;
  };
  std::vector<Place> places_;  // from the highest score down
};

double average_precision(const Ranking& ranking);

// Mean over the classes that have a positive and a negative: without a positive no area is defined, and without a
// negative any scores are as good. The others are counted, never scored.
struct MacroMean {
  double value = 0;  // NaN when no class is left
  int64_t used = 0, skipped = 0;
};
MacroMean macro_mean(const std::vector<SortedRanking>& classes, double RankingAreas::* area,
                     const Weights& weights = {});

}  // namespace usam::text
