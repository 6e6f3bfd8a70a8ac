#include "src/text/number_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace usam::text {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

template <class LossOf>
double mean(const std::vector<NumberPair>& pairs, const Weights& weights, LossOf loss_of) {
  double sum = 0, all = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const double weight = weight_of(weights, i);
    sum += weight * loss_of(pairs[i]);
    all += weight;
  }
  return all == 0 ? kUndefined : sum / all;
}

// Whether all numbers with a weight are one: rounding would leave a variance that is none.
bool is_constant(const std::vector<NumberPair>& pairs, const Weights& weights, double NumberPair::* side) {
  const NumberPair* first = nullptr;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (weight_of(weights, i) == 0) continue;
    if (!first) first = &pairs[i];
    if (pairs[i].*side != first->*side) return false;
  }
  return true;
}

}  // namespace

double mean_absolute_error(const std::vector<NumberPair>& pairs, const Weights& weights) {
  return mean(pairs, weights, [](const NumberPair& p) { return std::abs(p.truth - p.answer); });
}

double root_mean_square_error(const std::vector<NumberPair>& pairs, const Weights& weights) {
  return std::sqrt(
      mean(pairs, weights, [](const NumberPair& p) { return (p.truth - p.answer) * (p.truth - p.answer); }));
}

double pearson(const std::vector<NumberPair>& pairs, const Weights& weights) {
  if (is_constant(pairs, weights, &NumberPair::truth) || is_constant(pairs, weights, &NumberPair::answer))
    return kUndefined;
  const double truth_mean = mean(pairs, weights, [](const NumberPair& p) { return p.truth; });
  const double answer_mean = mean(pairs, weights, [](const NumberPair& p) { return p.answer; });
  double together = 0, truths = 0, answers = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const double weight = weight_of(weights, i);
    const double truth = pairs[i].truth - truth_mean, answer = pairs[i].answer - answer_mean;
    together += weight * truth * answer;
    truths += weight * truth * truth;
    answers += weight * answer * answer;
  }
  return std::clamp(together / (std::sqrt(truths) * std::sqrt(answers)), -1.0, 1.0);
}

Spearman::Spearman(const std::vector<NumberPair>& pairs) {
  std::vector<double> truths, answers;
  for (const NumberPair& pair : pairs) {
    truths.push_back(pair.truth);
    answers.push_back(pair.answer);
  }
  truths_ = order_of(truths);
  answers_ = order_of(answers);
}

double Spearman::operator()(const Weights& weights) const {
  const auto truths = ranks(truths_, weights), answers = ranks(answers_, weights);
  std::vector<NumberPair> pairs;
  for (size_t i = 0; i < truths.size(); ++i) pairs.push_back({truths[i], answers[i]});
  return pearson(pairs, weights);
}

Spearman::Order Spearman::order_of(const std::vector<double>& numbers) {
  std::vector<size_t> samples(numbers.size());
  std::iota(samples.begin(), samples.end(), size_t{0});
  std::ranges::sort(samples, {}, [&](size_t sample) { return numbers[sample]; });
  Order order;
  for (size_t i = 0; i < samples.size(); ++i)
    order.push_back({samples[i], i + 1 == samples.size() || numbers[samples[i + 1]] != numbers[samples[i]]});
  return order;
}

std::vector<double> Spearman::ranks(const Order& order, const Weights& weights) {
  std::vector<double> ranks(order.size());
  double below = 0, tied = 0;
  size_t first_of_tie = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    tied += weight_of(weights, order[i].sample);
    if (!order[i].is_last_of_tie) continue;
    for (; first_of_tie <= i; ++first_of_tie) ranks[order[first_of_tie].sample] = below + (tied + 1) / 2;
    below += tied;
    tied = 0;
  }
  return ranks;
}

}  // namespace usam::text
