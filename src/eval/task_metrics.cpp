#include "src/eval/task_metrics.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/eval/bootstrap.h"
#include "src/eval/failures.h"
#include "src/eval/metric.h"
#include "src/text/unicode.h"

namespace usam::eval {
namespace {

using Hypotheses = std::vector<Hypothesis>;
using Names = std::vector<std::string>;

// ---- The table: which metrics a task gets by its name. Lines with scores get tag_metrics() too.
Names metrics_by_name(const std::string& task) {
  static const std::map<std::string, Names> table = {
      {"ASR", {"wer", "cer"}},                                   // speech recognition
      {"S2TT", {"bleu", "chrf"}},                                // speech translation
      {"AAC", {"bleu", "rouge_l", "meteor_exact", "accuracy"}},  // audio captioning
      {"MC", {"bleu", "rouge_l", "meteor_exact", "accuracy"}},   // music captioning
      {"AC", {"accuracy", "f1"}},                                // audio classification
      {"SEC", {"accuracy", "f1"}},                               // sound-event class
  };
  const auto found = table.find(task);
  return found == table.end() ? Names{"wer", "accuracy"} : found->second;
}

Names metrics_by_answer(const std::string& task, Answer answer) {
  switch (answer) {
    case Answer::kText:
      return metrics_by_name(task);
    case Answer::kLabel:
    case Answer::kLikelihood:
      return {"accuracy", "f1"};
    case Answer::kNumber:
      return {"mae", "rmse", "pearson", "spearman"};
  }
  internal_error("unknown kind of answer");
}

const TaskOptions& options_of(const std::string& task, const ScoreOptions& options) {
  static const TaskOptions none;
  const auto found = options.tasks.find(task);
  return found == options.tasks.end() ? none : found->second;
}

bool names_one_of(const Names& names, const std::vector<Metric>& metrics) {
  return std::ranges::any_of(metrics, [&](const Metric& m) { return std::ranges::count(names, m.name) > 0; });
}

const Metric* known_metric(const std::string& name) {
  const auto found = std::ranges::find(all_metrics(), name, &Metric::name);
  return found == all_metrics().end() ? nullptr : &*found;
}

// The first of several references speaks for its sample; texts that are normalised to the same count as one.
std::string most_frequent_reference(const Hypotheses& hypotheses, const text::Normalizer& normalizer) {
  const auto label = [&](const Hypothesis& h) { return text::strip(normalizer(h.references.front())); };
  std::map<std::string, int64_t> counts;
  int64_t most = 0;
  for (const Hypothesis& h : hypotheses)
    if (h.answer) most = std::max(most, ++counts[label(h)]);
  for (const Hypothesis& h : hypotheses)
    if (h.answer && counts[label(h)] == most) return h.references.front();
  return "";
}

// The samples of a metric's input, made when the first metric asks for them.
class Inputs {
 public:
  Inputs(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options, const std::string& task)
      : texts_(samples_of(hypotheses, false, task, options)), scores_(samples_of(hypotheses, true, task, options)) {
    const Answer answer = answer_of(task, metrics, options);
    texts_.is_classification = answer == Answer::kLabel || answer == Answer::kLikelihood;
  }
  const Samples& texts() const { return texts_; }
  // Throws UserError when no line has the metric's input.
  const Samples& of(const Metric& metric) const {
    const Samples& samples = metric.reads_scores ? scores_ : texts_;
    if (samples.lines.empty())
      user_error("No line has {}, which the metric {} needs.",
                 metric.reads_scores ? "\"tags\" and \"scores\"" : "\"ref\" and \"hyp\"", metric.name);
    return samples;
  }

 private:
  Samples texts_, scores_;
};

}  // namespace

const std::vector<Metric>& all_metrics() {
  static const std::vector<Metric> metrics = [] {
    std::vector<Metric> all;
    for (const auto& some : {error_rate_metrics(), text_metrics(), label_metrics(), score_metrics(), number_metrics()})
      all.insert(all.end(), some.begin(), some.end());
    return all;
  }();
  return metrics;
}

const Metric& find_metric(const std::string& name) {
  const Metric* found = known_metric(name);
  if (!found) user_error("{}", unknown_metric(name));
  return *found;
}

Samples samples_of(const Hypotheses& hypotheses, bool reads_scores, const std::string& task,
                   const ScoreOptions& options) {
  const text::Normalizer& normalizer = task_normalizer(task, options);
  Samples samples;
  samples.bleu_tokens = options.bleu_tokens;
  for (const std::string& label : options_of(task, options).labels)
    samples.labels.push_back(text::strip(normalizer(label)));
  for (const Hypothesis& h : hypotheses) {
    if (reads_scores ? h.scores.empty() : !h.answer) continue;
    samples.lines.push_back(&h);
    if (reads_scores) continue;
    text::TextPair pair{{}, normalizer(*h.answer)};
    for (const std::string& reference : h.references) pair.references.push_back(normalizer(reference));
    samples.pairs.push_back(std::move(pair));
  }
  return samples;
}

const Names& metric_names() {
  static const Names names = [] {
    Names all;
    for (const Metric& m : all_metrics()) all.push_back(m.name);
    return all;
  }();
  return names;
}

std::string unknown_metric(const std::string& name) {
  if (known_metric(name)) return "";
  const std::string nearest = nearest_name(name, metric_names());
  return fmt::format("There is no metric '{}'{} There are {}.", name,
                     nearest.empty() ? "." : "; did you mean '" + nearest + "'?", join_words(metric_names()));
}

bool is_tag_metric(const std::string& name) {
  return find_metric(name).reads_scores;
}

Names metrics_of(const std::string& task, const ScoreOptions& options) {
  const TaskOptions& own = options_of(task, options);
  if (!own.metrics.empty()) return own.metrics;
  Names names = metrics_by_answer(task, own.answer.value_or(Answer::kText));
  for (const char* name : {"map", "roc_auc", "pr_auc"}) names.emplace_back(name);
  return names;
}

Answer answer_of(const std::string& task, const Names& metrics, const ScoreOptions& options) {
  if (const auto answer = options_of(task, options).answer) return *answer;
  if (names_one_of(metrics, number_metrics())) return Answer::kNumber;
  const bool of_labels = std::ranges::count(metrics, "f1") + std::ranges::count(metrics, "weighted_f1") > 0;
  return of_labels ? Answer::kLabel : Answer::kText;
}

const text::Normalizer& task_normalizer(const std::string& task, const ScoreOptions& options) {
  const auto& own = options_of(task, options).normalizer;
  return own ? *own : *options.normalizer;
}

Json score(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options, const std::string& task) {
  const Inputs inputs(hypotheses, metrics, options, task);
  Json out = Json::object();
  for (const std::string& name : metrics) {
    const Metric& metric = find_metric(name);
    const Samples& samples = inputs.of(metric);
    out[name] = nullptr;  // before its counts
    Json details = Json::object();
    if (out.contains("per_tag")) details["per_tag"] = std::move(out["per_tag"]);  // each metric adds to it
    const Value value = metric.prepare(samples, details);
    out[name] = value({});
    if (options.bootstrap.resamples > 0)
      out[name + "_ci"] = interval_95(resampled(value, samples.lines.size(), options.bootstrap));
    out.update(details);
  }
  if (!inputs.texts().lines.empty()) out["failures"] = failures(inputs.texts(), answer_of(task, metrics, options));
  out["n"] = hypotheses.size();
  return out;
}

Json majority_score(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options,
                    const std::string& task) {
  const std::string majority = most_frequent_reference(hypotheses, task_normalizer(task, options));
  Hypotheses constant = hypotheses;
  for (Hypothesis& h : constant) {
    if (h.answer) h.answer = majority;
    for (auto& entry : h.scores) entry.second = 0.5;
  }
  const Inputs inputs(constant, metrics, options, task);
  Json out = Json::object();
  for (const std::string& name : metrics) {
    const Metric& metric = find_metric(name);
    Json counts = Json::object();
    out[name] = metric.prepare(inputs.of(metric), counts)({});
  }
  return out;
}

}  // namespace usam::eval
