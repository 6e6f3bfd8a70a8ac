#include "src/eval/task_metrics.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/eval/loops.h"
#include "src/text/error_rate.h"
#include "src/text/label_metrics.h"
#include "src/text/unicode.h"

namespace usam::eval {
namespace {

using Hypotheses = std::vector<Hypothesis>;
using Names = std::vector<std::string>;

// ---- The table: which metrics a task gets.
const std::map<std::string, Names>& task_table() {
  static const std::map<std::string, Names> table = {
      {"ASR", {"wer", "cer"}},        // speech recognition
      {"S2TT", {"bleu"}},             // speech translation
      {"AAC", {"bleu", "accuracy"}},  // audio captioning
      {"MC", {"bleu", "accuracy"}},   // music captioning
      {"AC", {"accuracy", "f1"}},     // audio classification
      {"SEC", {"accuracy", "f1"}},    // sound-event class
  };
  return table;
}

// Only called for hypotheses with text, or with scores for tag metrics.
std::vector<text::TextPair> text_pairs(const Hypotheses& hypotheses, const text::Normalizer* normalizer) {
  const auto normalized = [&](const std::string& text) { return normalizer ? (*normalizer)(text) : text; };
  std::vector<text::TextPair> pairs;
  for (const Hypothesis& h : hypotheses) {
    text::TextPair pair{{}, normalized(*h.answer)};
    for (const std::string& reference : h.references) pair.references.push_back(normalized(reference));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

void add_wer(const Hypotheses& hypotheses, const ScoreOptions& options, Json& out) {
  const auto pairs = text_pairs(hypotheses, options.normalizer.get());
  const text::ErrorRate rate = error_rate(pairs, text::Unit::kWord);
  out["wer"] = rate.value();
  out["wer_mean_of_utterances"] = rate.mean_of_utterances;
  out["substitutions"] = rate.edits.substitutions;
  out["deletions"] = rate.edits.deletions;
  out["insertions"] = rate.edits.insertions;
  out["reference_words"] = rate.edits.reference_length();
  out["empty_references"] = rate.empty_references;
  out["empty_hypotheses"] = rate.empty_hypotheses;
  out["looping_hypotheses"] = std::count_if(pairs.begin(), pairs.end(), is_looping);
}

void add_cer(const Hypotheses& hypotheses, const ScoreOptions& options, Json& out) {
  out["cer"] = error_rate(text_pairs(hypotheses, options.normalizer.get()), text::Unit::kCharacter).value();
}

void add_bleu(const Hypotheses& hypotheses, const ScoreOptions& options, Json& out) {
  out["bleu"] = bleu(text_pairs(hypotheses, nullptr), options.bleu_tokens).value;
}

// An answer is right when it equals one of the references, white space at the ends aside.
std::vector<text::LabelPair> label_pairs(const Hypotheses& hypotheses, const ScoreOptions& options) {
  std::vector<text::LabelPair> labels;
  for (const text::TextPair& pair : text_pairs(hypotheses, options.normalizer.get())) {
    const std::string answer = text::strip(pair.hypothesis);
    std::string truth = text::strip(pair.references.front());
    for (const std::string& reference : pair.references)
      if (text::strip(reference) == answer) truth = answer;
    labels.push_back({truth, answer});
  }
  return labels;
}

void add_accuracy(const Hypotheses& hypotheses, const ScoreOptions& options, Json& out) {
  out["accuracy"] = text::accuracy(label_pairs(hypotheses, options));
}

void add_f1(const Hypotheses& hypotheses, const ScoreOptions& options, Json& out) {
  out["f1"] = text::macro_f1(label_pairs(hypotheses, options));
}

// One ranking per candidate tag, in alphabetical order. Every line must score the same candidates.
std::vector<text::Ranking> rankings(const Hypotheses& hypotheses) {
  std::vector<text::Ranking> classes(hypotheses.front().scores.size());
  for (const Hypothesis& h : hypotheses) {
    const std::set<std::string> tags(h.tags.begin(), h.tags.end());
    const auto same_name = [](const auto& a, const auto& b) { return a.first == b.first; };
    if (!std::equal(h.scores.begin(), h.scores.end(), hypotheses.front().scores.begin(),
                    hypotheses.front().scores.end(), same_name))
      user_error("{}: \"scores\" holds other tags than those of {}; all lines must score the same candidates.",
                 h.where(), hypotheses.front().where());
    size_t index = 0;
    for (const auto& [tag, score] : h.scores) {
      classes[index].positive.push_back(tags.contains(tag));
      classes[index++].scores.push_back(score);
    }
  }
  return classes;
}

// True tags that are no candidates: they are not part of any mean, so they are counted.
int64_t tags_without_scores(const Hypotheses& hypotheses) {
  std::set<std::string> missing;
  for (const Hypothesis& h : hypotheses)
    for (const std::string& tag : h.tags)
      if (!h.scores.contains(tag)) missing.insert(tag);
  return static_cast<int64_t>(missing.size());
}

void add_map(const Hypotheses& hypotheses, const ScoreOptions&, Json& out) {
  const text::MacroMean mean = macro_mean(rankings(hypotheses), text::average_precision);
  out["map"] = mean.value;
  out["tags"] = mean.used;
  out["tags_without_positive"] = mean.skipped;
  out["tags_without_scores"] = tags_without_scores(hypotheses);
}

void add_roc_auc(const Hypotheses& hypotheses, const ScoreOptions&, Json& out) {
  out["roc_auc"] = macro_mean(rankings(hypotheses), text::roc_auc).value;
}

bool parse_number(const std::string& text, double& value) {
  const std::string bare = text::strip(text);
  const auto [end, error] = std::from_chars(bare.data(), bare.data() + bare.size(), value);
  return error == std::errc() && end == bare.data() + bare.size() && std::isfinite(value);
}

// Answers that are no number are left out and counted; references must be numbers.
std::vector<text::NumberPair> number_pairs(const Hypotheses& hypotheses, Json& out) {
  std::vector<text::NumberPair> pairs;
  int64_t unparsed = 0;
  for (const Hypothesis& h : hypotheses) {
    text::NumberPair pair{};
    if (!parse_number(h.references.front(), pair.truth))
      user_error("{}: the reference '{}' is not a number; mae and pearson need numbers.", h.where(),
                 h.references.front());
    if (parse_number(*h.answer, pair.answer)) {
      pairs.push_back(pair);
    } else {
      ++unparsed;
    }
  }
  out["answers_that_are_no_number"] = unparsed;
  return pairs;
}

void add_mae(const Hypotheses& hypotheses, const ScoreOptions&, Json& out) {
  out["mae"] = mean_absolute_error(number_pairs(hypotheses, out));
}

void add_pearson(const Hypotheses& hypotheses, const ScoreOptions&, Json& out) {
  out["pearson"] = pearson(number_pairs(hypotheses, out));
}

struct Metric {
  std::string name;
  bool reads_tags;
  void (*add)(const Hypotheses&, const ScoreOptions&, Json&);
};

const std::vector<Metric>& all_metrics() {
  static const std::vector<Metric> metrics = {
      {"wer", false, add_wer},           {"cer", false, add_cer}, {"bleu", false, add_bleu},
      {"accuracy", false, add_accuracy}, {"f1", false, add_f1},   {"map", true, add_map},
      {"roc_auc", true, add_roc_auc},    {"mae", false, add_mae}, {"pearson", false, add_pearson},
  };
  return metrics;
}

const Metric* find_metric(const std::string& name) {
  const auto& all = all_metrics();
  const auto found = std::ranges::find(all, name, &Metric::name);
  return found == all.end() ? nullptr : &*found;
}

const Metric& metric(const std::string& name) {
  const Metric* found = find_metric(name);
  if (!found) user_error("{}", unknown_metric(name));
  return *found;
}

Hypotheses those_with(const Hypotheses& hypotheses, bool tags) {
  Hypotheses kept;
  std::copy_if(hypotheses.begin(), hypotheses.end(), std::back_inserter(kept),
               [tags](const Hypothesis& h) { return tags ? !h.scores.empty() : h.answer.has_value(); });
  return kept;
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

}  // namespace

const Names& metric_names() {
  static const Names names = [] {
    Names all;
    for (const Metric& m : all_metrics()) all.push_back(m.name);
    return all;
  }();
  return names;
}

std::string unknown_metric(const std::string& name) {
  if (find_metric(name)) return "";
  const std::string nearest = nearest_name(name, metric_names());
  return fmt::format("There is no metric '{}'{} There are {}.", name,
                     nearest.empty() ? "." : "; did you mean '" + nearest + "'?", join_words(metric_names()));
}

const Names& text_metrics_of(const std::string& task) {
  static const Names other = {"wer", "accuracy"};
  const auto found = task_table().find(task);
  return found == task_table().end() ? other : found->second;
}

const Names& tag_metrics() {
  static const Names names = {"map", "roc_auc"};
  return names;
}

bool is_tag_metric(const std::string& name) {
  return metric(name).reads_tags;
}

Json score(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options) {
  const Hypotheses texts = those_with(hypotheses, false), tags = those_with(hypotheses, true);
  Json out = Json::object();
  for (const std::string& name : metrics) {
    const Metric& m = metric(name);
    const Hypotheses& input = m.reads_tags ? tags : texts;
    if (input.empty())
      user_error("No line has {}, which the metric {} needs.",
                 m.reads_tags ? "\"tags\" and \"scores\"" : "\"ref\" and \"hyp\"", name);
    m.add(input, options, out);
  }
  out["n"] = hypotheses.size();
  return out;
}

Json majority_score(const Hypotheses& hypotheses, const Names& metrics, const ScoreOptions& options) {
  const std::string majority = most_frequent_reference(hypotheses, *options.normalizer);
  Hypotheses constant = hypotheses;
  for (Hypothesis& h : constant) {
    if (h.answer) h.answer = majority;
    for (auto& entry : h.scores) entry.second = 0.5;
  }
  const Json all = score(constant, metrics, options);
  Json out = Json::object();
  for (const std::string& name : metrics) out[name] = all[name];
  return out;
}

}  // namespace usam::eval
