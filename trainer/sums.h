#pragma once
// Sums over the micro-batches of a step (or of an evaluation) and over ranks.
#include <map>
#include <string>
#include <vector>

#include "losses/loss.h"
#include "src/dist/communicator.h"
#include "src/tensor/touch.h"
#include "trainer/recipe.h"

namespace usam {

using Sums = std::map<std::string, double>;

// Entry by entry over the ranks, in rank order; a rank need not have every name.
Sums sum_over_ranks(const Sums& sums, dist::Communicator& ranks);
void add(Counts& total, const Counts& more);

// sum of weight * sum / count over the terms of a micro-batch, with the counts of the whole step. A term whose count or
// weight is 0 takes no part, not even as 0 * NaN.
torch::Tensor weighted_loss(const std::vector<Term>& terms, const Counts& counts);
// The loss of a step and its parts, each unweighted: terms as sum / count, metrics as means.
struct Figures {
  double loss = 0;
  std::map<std::string, double> values;
  std::vector<std::string> terms;  // which of the values are the loss's terms
};

// Collects what forward passes give, without waiting for the device until the end.
class Tally {
 public:
  void add(const StepOutput& output);
  // The figures over all ranks. A term with a count of 0 is 0; a metric with a count of 0 is left out.
  Figures figures(const Counts& counts, dist::Communicator& ranks) const;

 private:
  // What the device computed of the terms' sums, then of each metric's sum and count. One wait for all.
  std::vector<double> fetch() const;

  struct TermSum {
    Amount sum;
    std::string count;
    double weight = 0;
  };
  std::map<std::string, TermSum> terms_;
  std::map<std::string, Metric> metrics_;
};

}  // namespace usam
