#pragma once
// Metrics over numbers, equal to numpy's and scipy's of the same names.
#include <vector>

#include "src/text/weights.h"

namespace usam::text {

struct NumberPair {
  double truth, answer;
};

// Mean absolute error and root of the mean squared error; NaN where nothing has a weight.
double mean_absolute_error(const std::vector<NumberPair>& pairs, const Weights& weights = {});
double root_mean_square_error(const std::vector<NumberPair>& pairs, const Weights& weights = {});

// Pearson's correlation; NaN for fewer than two pairs or where one side is constant.
double pearson(const std::vector<NumberPair>& pairs, const Weights& weights = {});

// Spearman's correlation: Pearson's of the ranks, equal numbers sharing their mean rank. The order is found once for
// many weights. NaN as for pearson().
class Spearman {
 public:
  explicit Spearman(const std::vector<NumberPair>& pairs);
  double operator()(const Weights& weights = {}) const;

 private:
  struct Place {
    size_t sample;
    bool is_last_of_tie;
  };
  using Order = std::vector<Place>;
  static Order order_of(const std::vector<double>& numbers);
  static std::vector<double> ranks(const Order& order, const Weights& weights);

  Order truths_, answers_;
};

}  // namespace usam::text
