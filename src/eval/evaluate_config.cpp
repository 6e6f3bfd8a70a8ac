#include "src/eval/evaluate_config.h"

#include <algorithm>
#include <sstream>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/text/unicode.h"

namespace usam::eval {
namespace {

constexpr const char* kSpellingNeedsWhisper = "`spelling` serves the normalizer whisper_en only.";

// The names in a file, one a line; `what` they are, for messages.
std::vector<std::string> read_names(const std::string& file, const char* what) {
  std::istringstream in(read_file(file));
  std::vector<std::string> names;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::string name = text::strip(line);
    if (name.empty()) continue;
    if (std::ranges::find(names, name) != names.end())
      user_error("{}:{}: the {} '{}' stands here a second time.", file, number, what, name);
    names.push_back(name);
  }
  if (names.empty()) user_error("{}: the file holds no {}.", file, what);
  return names;
}

const char* name_of(Answer answer) {
  switch (answer) {
    case Answer::kText:
      return "text";
    case Answer::kLabel:
      return "label";
    case Answer::kNumber:
      return "number";
    case Answer::kLikelihood:
      return "likelihood";
  }
  internal_error("unknown kind of answer");
}

// What is wrong with the metrics of a task, or "".
std::string metrics_problem(const TaskConfig& c) {
  for (const std::string& name : c.metrics) {
    if (const std::string problem = unknown_metric(name); !problem.empty()) return problem;
    if (std::ranges::count(c.metrics, name) > 1) return fmt::format("`metrics` names {} twice.", name);
    const bool has_scores = c.answer == Answer::kText || c.answer == Answer::kLikelihood;
    if (is_tag_metric(name) && !has_scores)
      return fmt::format("The metric {} ranks by scores, which `answer: {}` does not give; use `answer: likelihood`.",
                         name, name_of(c.answer));
  }
  return "";
}

// What is wrong with one task given the keys that hold for all, or "".
std::string task_problem(const std::string& name, const TaskConfig& task, const EvaluateConfig& all) {
  if (task.max_new_tokens && all.decoding.min_new_tokens > *task.max_new_tokens)
    return fmt::format("`decoding.min_new_tokens` is above `tasks.{}.max_new_tokens`.", name);
  if (all.decoding.min_new_tokens > 0 && (task.answer == Answer::kLabel || task.answer == Answer::kNumber))
    return fmt::format(
        "`decoding.min_new_tokens` does not go with `tasks.{}.answer: {}`: such an answer ends where it is complete.",
        name, name_of(task.answer));
  return "";
}

// Labels that the normaliser makes one could not be told apart.
void refuse_equal_labels(const std::string& task, const std::vector<std::string>& labels,
                         const text::Normalizer& normalizer) {
  std::map<std::string, std::string> seen;
  for (const std::string& label : labels) {
    const auto [found, is_new] = seen.emplace(text::strip(normalizer(label)), label);
    if (!is_new)
      user_error(
          "The labels '{}' and '{}' of task {} are the same to the normalizer {}; choose another in "
          "`evaluate.tasks.{}.normalizer`.",
          found->second, label, task, normalizer.stamp(), task);
  }
}

bool uses_whisper_en(const EvaluateConfig& c) {
  return c.normalizer == "whisper_en" ||
         std::ranges::any_of(c.tasks, [](const auto& task) { return task.second.normalizer == "whisper_en"; });
}

}  // namespace

void describe(Fields& f, TaskConfig& c) {
  f.choice("answer", c.answer,
           {{"text", Answer::kText},
            {"label", Answer::kLabel},
            {"number", Answer::kNumber},
            {"likelihood", Answer::kLikelihood}},
           "text: written freely; label: written, one of the labels; number: written, a number; likelihood: the label "
           "that is likeliest, each scored")
      .resumable();
  f("labels", c.labels, "file of what may be answered, one a line; without it the union of the rows' references")
      .must_exist()
      .resumable();
  f("max_new_tokens", c.max_new_tokens, "longest answer in tokens; null: as for all tasks").at_least(1).resumable();
  f("normalizer", c.normalizer, "what is done to texts before they are compared; null: as for all tasks").resumable();
  f("metrics", c.metrics, "names of metrics; without them those of the kind of answer, for text those of the task")
      .resumable();
  f.rule([&c]() -> std::string {
    const bool has_labels = c.answer == Answer::kLabel || c.answer == Answer::kLikelihood;
    if (!c.labels.empty() && !has_labels) return "`labels` needs `answer: label` or `answer: likelihood`.";
    if (c.max_new_tokens && c.answer == Answer::kLikelihood)
      return "`max_new_tokens` limits answers that are written: `answer: likelihood` writes none.";
    if (c.normalizer) {
      if (const std::string problem = text::unknown_normalizer(*c.normalizer); !problem.empty()) return problem;
    }
    return metrics_problem(c);
  });
}

void describe(Fields& f, EvaluateConfig& c) {
  std::vector<std::pair<std::string, std::string>> normalizers;
  for (const std::string& name : text::normalizer_names()) normalizers.emplace_back(name, name);
  f.choice("normalizer", c.normalizer, normalizers, "what is done to texts before they are compared").resumable();
  f("spelling", c.spelling, "normalizer.json of a Whisper checkpoint: British spellings for whisper_en")
      .must_exist()
      .resumable();
  f.choice("bleu_tokens", c.bleu_tokens,
           {{"13a", text::BleuTokens::k13a}, {"zh", text::BleuTokens::kZh}, {"char", text::BleuTokens::kChar}},
           "how BLEU cuts text into words")
      .resumable();
  f("max_new_tokens", c.max_new_tokens, "longest answer in tokens").at_least(1).resumable();
  f("decoding", c.decoding, "how answers are searched for");
  f("batch_rows", c.batch_rows, "clips decoded together").at_least(1).resumable();
  f("tags", c.tags, "file of candidate tags, one a line; without it the union over the rows evaluated")
      .must_exist()
      .resumable();
  f("window", c.window, "cuts long recordings into overlapping windows, whose answers are merged; null: off");
  f("tasks", c.tasks, "what is asked of a task, by its name, where it differs");
  f("bootstrap", c.bootstrap, "resamples behind the 95 % confidence intervals; 0: no intervals")
      .at_least(0)
      .resumable();
  f("bootstrap_seed", c.bootstrap_seed, "of the resamples").at_least(0).resumable();
  f("report", c.report, "report.html");
  f.rule([&c]() -> std::string {
    if (c.decoding.min_new_tokens > c.max_new_tokens) return "`decoding.min_new_tokens` is above `max_new_tokens`.";
    if (!c.spelling.empty() && !uses_whisper_en(c)) return kSpellingNeedsWhisper;
    for (const auto& [name, task] : c.tasks) {
      if (const std::string problem = task_problem(name, task, c); !problem.empty()) return problem;
    }
    return "";
  });
}

ScoreOptions score_options(const EvaluateConfig& config) {
  text::SpellingTable spelling;
  if (!config.spelling.empty()) spelling = text::read_spelling_table(config.spelling.value);
  if (!spelling.empty() && !uses_whisper_en(config)) user_error("{}", kSpellingNeedsWhisper);
  const auto made = [&](const std::string& name) {
    return text::make_normalizer(name, name == "whisper_en" ? spelling : text::SpellingTable{});
  };
  ScoreOptions options{.normalizer = made(config.normalizer), .bleu_tokens = config.bleu_tokens};
  options.bootstrap = {config.bootstrap, static_cast<uint64_t>(config.bootstrap_seed)};
  for (const auto& [name, task] : config.tasks) {
    TaskOptions& own = options.tasks[name];
    own.answer = task.answer;
    own.metrics = task.metrics;
    if (task.normalizer) own.normalizer = made(*task.normalizer);
    if (task.labels.empty()) continue;
    own.labels = read_labels(task.labels.value);
    refuse_equal_labels(name, own.labels, task_normalizer(name, options));
  }
  return options;
}

std::vector<std::string> read_tags(const std::string& file) {
  return read_names(file, "tag");
}

std::vector<std::string> read_labels(const std::string& file) {
  return read_names(file, "label");
}

}  // namespace usam::eval
