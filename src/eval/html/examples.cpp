#include "src/eval/html/examples.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/eval/failures.h"
#include "src/eval/html/alignment.h"
#include "src/eval/html/figures.h"
#include "src/text/label_metrics.h"
#include "src/text/unicode.h"

namespace usam::eval::html {
namespace {

double text_error(const std::string& reference, const std::string& answer) {
  const auto edits = text::edits_between(units(reference), units(answer));
  return static_cast<double>(edits.errors()) / static_cast<double>(std::max<int64_t>(edits.reference_length(), 1));
}

// An answer that is no number is the worst there is.
double number_error(const std::string& reference, const std::string& answer) {
  const auto truth = number_in(reference), given = number_in(answer);
  return truth && given ? std::abs(*truth - *given) : std::numeric_limits<double>::infinity();
}

double error_between(Kind kind, const std::string& reference, const std::string& answer) {
  if (kind == Kind::kLabel) return reference == answer ? 0 : 1;
  return kind == Kind::kNumber ? number_error(reference, answer) : text_error(reference, answer);
}

// How far the true tags are from standing before all others.
double tag_error(const Hypothesis& h) {
  text::Ranking ranking;
  for (const auto& [tag, score] : h.scores) {
    ranking.positive.push_back(std::ranges::find(h.tags, tag) != h.tags.end());
    ranking.scores.push_back(score);
  }
  const double precision = text::average_precision(ranking);
  return std::isnan(precision) ? 0 : 1 - precision;
}

Example example_of(size_t index, const Hypothesis& h, Kind kind, const text::Normalizer& normalizer) {
  Example example{index, 0, "", ""};
  if (kind == Kind::kTags) {
    example.error = tag_error(h);
    return example;
  }
  // Numbers are read out of the texts as they are, as the metrics do: a normaliser spells them or drops their points.
  const auto read = [&](const std::string& text) {
    return text::strip(kind == Kind::kNumber ? text : normalizer(text));
  };
  example.answer = read(*h.answer);
  example.error = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < h.references.size(); ++i) {
    const std::string reference = read(h.references[i]);
    const double error = error_between(kind, reference, example.answer);
    if (i > 0 && error >= example.error) continue;
    example.error = error;
    example.reference = reference;
  }
  return example;
}

}  // namespace

Kind kind_of(const std::string& task, const Json& metrics, const ScoreOptions& options) {
  const auto names = metrics_in(metrics);
  const auto is_ranking = [](const std::string& name) { return is_tag_metric(name); };
  if (!names.empty() && std::ranges::all_of(names, is_ranking)) return Kind::kTags;
  const Answer answer = answer_of(task, names, options);
  if (answer == Answer::kNumber) return Kind::kNumber;
  if (answer != Answer::kText || (!names.empty() && names.front() == "accuracy")) return Kind::kLabel;
  return !names.empty() && is_ranking(names.front()) ? Kind::kTags : Kind::kText;
}

std::vector<TaskExamples> worst_examples(const std::vector<Hypothesis>& hypotheses, const Json& tasks,
                                         const ScoreOptions& options, int64_t count) {
  std::vector<TaskExamples> all;
  for (const auto& [task, metrics] : tasks.items()) {
    TaskExamples of_task{task, kind_of(task, metrics, options), {}};
    const auto& normalizer = task_normalizer(task, options);
    for (size_t i = 0; i < hypotheses.size(); ++i) {
      const Hypothesis& h = hypotheses[i];
      const bool has_part = of_task.kind == Kind::kTags ? !h.scores.empty() : h.answer.has_value();
      if (has_part && (h.task.empty() ? "other" : h.task) == task)
        of_task.worst.push_back(example_of(i, h, of_task.kind, normalizer));
    }
    std::ranges::sort(of_task.worst, {}, [](const Example& e) { return std::pair(-e.error, e.index); });
    of_task.worst.resize(std::min(of_task.worst.size(), static_cast<size_t>(count)));
    all.push_back(std::move(of_task));
  }
  return all;
}

}  // namespace usam::eval::html
