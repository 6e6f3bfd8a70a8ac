// Metrics over answers that are labels, with the confusion matrix.
#include <algorithm>
#include <map>
#include <set>

#include "src/eval/metric.h"
#include "src/text/label_metrics.h"
#include "src/text/unicode.h"

namespace usam::eval {
namespace {

constexpr size_t kMostConfused = 100;  // labels in a confusion matrix

// An answer is right when it equals one of the references, white space at the ends aside.
std::vector<text::LabelPair> label_pairs(const Samples& samples) {
  std::vector<text::LabelPair> labels;
  for (const text::TextPair& pair : samples.pairs) {
    const std::string answer = text::strip(pair.hypothesis);
    std::string truth = text::strip(pair.references.front());
    for (const std::string& reference : pair.references)
      if (text::strip(reference) == answer) truth = answer;
    labels.push_back({truth, answer});
  }
  return labels;
}

// The labels of the matrix: those that may be answered in their order, else the references by name; of more than fit
// those that are most often the truth.
std::vector<std::string> confusion_labels(const Samples& samples, const std::vector<text::LabelPair>& pairs) {
  std::map<std::string, int64_t> truths;
  for (const text::LabelPair& pair : pairs) ++truths[pair.truth];
  std::vector<std::string> labels = samples.labels;
  if (labels.empty())
    for (const auto& entry : truths) labels.push_back(entry.first);
  if (labels.size() <= kMostConfused) return labels;
  std::vector<std::pair<int64_t, size_t>> frequent;  // most often first, then as they stand
  for (size_t l = 0; l < labels.size(); ++l) {
    const auto found = truths.find(labels[l]);
    frequent.emplace_back(found == truths.end() ? 0 : -found->second, l);
  }
  std::ranges::sort(frequent);
  std::set<std::string> kept;
  for (size_t l = 0; l < kMostConfused; ++l) kept.insert(labels[frequent[l].second]);
  std::erase_if(labels, [&](const std::string& label) { return !kept.contains(label); });
  return labels;
}

// {"labels": K names, "counts": a row for each as the truth, in it a number for each as the answer}; where some truths
// or answers are none of the labels, one more row or column at the end counts them.
Json confusion(const Samples& samples, const std::vector<text::LabelPair>& pairs) {
  const auto labels = confusion_labels(samples, pairs);
  std::map<std::string, size_t> numbers;
  for (const std::string& label : labels) numbers.emplace(label, numbers.size());
  const auto number = [&](const std::string& label) {
    const auto found = numbers.find(label);
    return found == numbers.end() ? labels.size() : found->second;
  };
  size_t rows = labels.size(), columns = labels.size();
  for (const text::LabelPair& pair : pairs) {
    rows = std::max(rows, number(pair.truth) + 1);
    columns = std::max(columns, number(pair.answer) + 1);
  }
  std::vector<std::vector<int64_t>> counts(rows, std::vector<int64_t>(columns));
  for (const text::LabelPair& pair : pairs) ++counts[number(pair.truth)][number(pair.answer)];
  return {{"labels", labels}, {"counts", counts}};
}

Value of_table(const Samples& samples, Json& out, double (text::LabelTable::*metric)(const text::Weights&) const) {
  const auto pairs = label_pairs(samples);
  if (samples.is_classification && !out.contains("confusion")) out["confusion"] = confusion(samples, pairs);
  return [table = text::LabelTable(pairs), metric](const text::Weights& weights) { return (table.*metric)(weights); };
}

Value accuracy(const Samples& samples, Json& out) {
  return of_table(samples, out, &text::LabelTable::accuracy);
}

Value macro_f1(const Samples& samples, Json& out) {
  return of_table(samples, out, &text::LabelTable::macro_f1);
}

Value weighted_f1(const Samples& samples, Json& out) {
  return of_table(samples, out, &text::LabelTable::weighted_f1);
}

}  // namespace

std::vector<Metric> label_metrics() {
  return {
      {"accuracy", false, false, accuracy}, {"f1", false, false, macro_f1}, {"weighted_f1", false, false, weighted_f1}};
}

}  // namespace usam::eval
