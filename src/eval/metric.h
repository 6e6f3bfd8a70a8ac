#pragma once
// One metric: what it reads of the hypotheses, and a function from weights to its value (src/text/weights.h), so that a
// bootstrap reads and counts every text once. task_metrics.h is the door to all of them.
#include <array>
#include <functional>
#include <string>
#include <vector>

#include "src/eval/task_metrics.h"
#include "src/text/weights.h"

namespace usam::eval {

// What is scored together: lines that have the input of a metric, and how their texts are read.
struct Samples {
  std::vector<const Hypothesis*> lines;
  std::vector<text::TextPair> pairs;  // normalised; empty for metrics of scores
  std::vector<std::string> labels;    // normalised, what may be answered; empty: the references that occur
  bool is_classification = false;     // answers are labels, and few enough for a confusion matrix
  text::BleuTokens bleu_tokens = text::BleuTokens::k13a;
};

// NaN where the metric is not defined.
using Value = std::function<double(const text::Weights&)>;

struct Metric {
  std::string name;
  bool reads_scores;                                        // "tags" and "scores" rather than texts
  bool is_error;                                            // lower is better
  Value (*prepare)(const Samples& samples, Json& details);  // counts that belong to the metric go into the details
};

// The metrics of each kind, in the order of the help.
std::vector<Metric> error_rate_metrics();
std::vector<Metric> text_metrics();
std::vector<Metric> label_metrics();
std::vector<Metric> score_metrics();
std::vector<Metric> number_metrics();

const std::vector<Metric>& all_metrics();
// Throws UserError for an unknown name.
const Metric& find_metric(const std::string& name);

// The samples of one task ("" for no task in particular) that have texts, or scores.
Samples samples_of(const std::vector<Hypothesis>& hypotheses, bool reads_scores, const std::string& task,
                   const ScoreOptions& options);

// A metric that is a function of sums over the samples.
template <size_t N>
Value of_sums(std::vector<std::array<double, N>> rows, double (*value)(const std::array<double, N>&)) {
  return [rows = std::move(rows), value](const text::Weights& weights) {
    std::array<double, N> sums = {};
    for (size_t i = 0; i < rows.size(); ++i) {
      const double weight = text::weight_of(weights, i);
      for (size_t n = 0; n < N; ++n) sums[n] += weight * rows[i][n];
    }
    return value(sums);
  };
}
// Sum of the first numbers over the sum of the second.
Value ratio_of_sums(std::vector<std::array<double, 2>> rows);
Value mean_of(const std::vector<double>& values);

}  // namespace usam::eval
