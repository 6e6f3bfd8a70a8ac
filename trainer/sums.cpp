#include "trainer/sums.h"

#include <cstring>

#include "src/base/error.h"
#include "src/dist/gather.h"

namespace usam {
namespace {

double count_of(const std::string& term, const std::string& name, const Counts& counts) {
  const auto found = counts.find(name);
  if (found == counts.end())
    internal_error("term '{}' is divided by '{}', which the recipe does not count", term, name);
  return found->second;
}

}  // namespace

Sums sum_over_ranks(const Sums& sums, dist::Communicator& ranks) {
  if (ranks.world() == 1) return sums;
  std::string text;  // name, 0, eight bytes
  for (const auto& [name, value] : sums) {
    text += name + '\0';
    text.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  Sums total;
  for (const std::string& from : dist::gather_texts(text, ranks))
    for (size_t at = 0; at < from.size();) {
      const std::string name = from.c_str() + at;
      double value = 0;
      std::memcpy(&value, from.data() + at + name.size() + 1, sizeof(value));
      total[name] += value;
      at += name.size() + 1 + sizeof(value);
    }
  return total;
}

void add(Counts& total, const Counts& more) {
  for (const auto& [name, count] : more) total[name] += count;
}

torch::Tensor weighted_loss(const std::vector<Term>& terms, const Counts& counts) {
  torch::Tensor loss;
  for (const Term& term : terms) {
    const double count = count_of(term.name, term.count, counts);
    if (count == 0 || term.weight == 0) continue;
    const torch::Tensor part = term.sum * (term.weight / count);
    loss = loss.defined() ? loss + part : part;
  }
  return loss.defined() ? loss : torch::zeros({});
}

void Tally::add(const StepOutput& output) {
  for (const Term& term : output.terms) {
    TermSum& kept = terms_[term.name];
    kept.sum += term.sum.detach();
    kept.count = term.count, kept.weight = term.weight;
  }
  for (const Metric& metric : output.metrics) {
    metrics_[metric.name].sum += metric.sum;
    metrics_[metric.name].count += metric.count;
  }
}

std::vector<double> Tally::fetch() const {
  std::vector<torch::Tensor> pieces;
  const auto add = [&pieces](const Amount& amount) {
    if (amount.computed().defined()) pieces.push_back(amount.computed().reshape({}));
  };
  for (const auto& [name, term] : terms_) add(term.sum);
  for (const auto& [name, metric] : metrics_) add(metric.sum), add(metric.count);
  if (pieces.empty()) return {};
  const torch::Tensor values = torch::stack(pieces).cpu();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

Figures Tally::figures(const Counts& counts, dist::Communicator& ranks) const {
  const std::vector<double> values = fetch();
  auto next = values.begin();
  const auto value_of = [&next](const Amount& amount) {
    return amount.known() + (amount.computed().defined() ? *next++ : 0);
  };
  Sums sums;
  double& loss = sums["loss"];
  for (const auto& [name, term] : terms_) {
    const double sum = value_of(term.sum), count = count_of(name, term.count, counts);
    const double mean = count == 0 ? 0 : sum / count;
    sums["term " + name] = mean;
    if (term.weight != 0) loss += term.weight * mean;
  }
  for (const auto& [name, metric] : metrics_) {
    sums["sum " + name] = value_of(metric.sum);
    sums["count " + name] = value_of(metric.count);
  }
  sums = sum_over_ranks(sums, ranks);

  Figures figures;
  figures.loss = sums["loss"];
  for (const auto& [key, sum] : sums) {
    if (key.starts_with("term ")) {
      figures.terms.push_back(key.substr(5));
      figures.values[key.substr(5)] = sum;
    }
    if (!key.starts_with("sum ")) continue;
    const std::string name = key.substr(4);
    if (const double count = sums["count " + name]; count != 0) figures.values[name] = sum / count;
  }
  return figures;
}

}  // namespace usam
