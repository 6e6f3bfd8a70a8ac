// Metrics over answers that are numbers.
#include "src/text/number_metrics.h"

#include "src/base/error.h"
#include "src/eval/failures.h"
#include "src/eval/metric.h"

namespace usam::eval {
namespace {

// Answers that hold no number are left out (and counted among the failures): `samples` has the place of each pair left.
struct Numbers {
  std::vector<text::NumberPair> pairs;
  std::vector<size_t> samples;
};

Numbers numbers_of(const Samples& samples) {
  Numbers numbers;
  for (size_t i = 0; i < samples.lines.size(); ++i) {
    const Hypothesis& h = *samples.lines[i];
    const auto truth = number_in(h.references.front());
    if (!truth)
      user_error("{}: the reference '{}' is not a number, which mae, rmse, pearson and spearman need.", h.where(),
                 h.references.front());
    if (const auto answer = number_in(*h.answer)) {
      numbers.pairs.push_back({*truth, *answer});
      numbers.samples.push_back(i);
    }
  }
  return numbers;
}

// The weights of the samples that are left.
text::Weights chosen(const text::Weights& weights, const std::vector<size_t>& samples) {
  text::Weights result;
  if (!weights.empty())
    for (const size_t sample : samples) result.push_back(weights[sample]);
  return result;
}

template <double (*kMetric)(const std::vector<text::NumberPair>&, const text::Weights&)>
Value of_numbers(const Samples& samples, Json& out) {
  Numbers numbers = numbers_of(samples);
  out["numbers"] = numbers.pairs.size();
  return [numbers = std::move(numbers)](const text::Weights& weights) {
    return kMetric(numbers.pairs, chosen(weights, numbers.samples));
  };
}

Value spearman(const Samples& samples, Json& out) {
  Numbers numbers = numbers_of(samples);
  out["numbers"] = numbers.pairs.size();
  return [spearman = text::Spearman(numbers.pairs), places = std::move(numbers.samples)](const text::Weights& weights) {
    return spearman(chosen(weights, places));
  };
}

}  // namespace

std::vector<Metric> number_metrics() {
  return {{"mae", false, true, of_numbers<text::mean_absolute_error>},
          {"rmse", false, true, of_numbers<text::root_mean_square_error>},
          {"pearson", false, false, of_numbers<text::pearson>},
          {"spearman", false, false, spearman}};
}

}  // namespace usam::eval
