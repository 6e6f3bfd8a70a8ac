// usam-score: metrics of a file of hypotheses, without a model.
#include <algorithm>
#include <cstdio>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/text.h"
#include "src/eval/coco.h"
#include "src/eval/compare.h"
#include "src/eval/evaluate_config.h"
#include "src/eval/report.h"
#include "tools/command_line.h"

namespace {

struct Arguments {
  std::string file, against, coco, output;
  std::vector<std::string> metrics, tasks;
  usam::eval::EvaluateConfig evaluate;
};

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("FILE", arguments.file,
                 R"(hypotheses, one JSON object a line: {"key", "task"?, "ref" | "refs", "hyp"} )"
                 R"(or {"key", "tags": [...], "scores": {tag: p}}; for retrieval the tags are the right candidates )"
                 R"(and the scores those of all candidates)")
      ->required();
  app.add_option(
         "--metrics", arguments.metrics,
         "comma-separated: " + usam::join_words(usam::eval::metric_names()) + "; without it every task gets its own")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--task", arguments.tasks, "comma-separated: the lines of these tasks alone")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--normalizer", arguments.evaluate.normalizer, "none, basic, basic_letters or whisper_en")
      ->capture_default_str();
  app.add_option("--spelling", arguments.evaluate.spelling.value,
                 "normalizer.json of a Whisper checkpoint: British spellings for whisper_en");
  const std::map<std::string, usam::text::BleuTokens> tokens = {{"13a", usam::text::BleuTokens::k13a},
                                                                {"zh", usam::text::BleuTokens::kZh},
                                                                {"char", usam::text::BleuTokens::kChar}};
  app.add_option("--bleu-tokens", arguments.evaluate.bleu_tokens, "13a (default), zh or char")
      ->transform(CLI::CheckedTransformer(tokens).description(""));
  app.add_option("--bootstrap", arguments.evaluate.bootstrap,
                 "resamples behind a 95 % interval beside each metric (\"wer_ci\": [low, high]), 1000 for instance")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 32).description(""));
  app.add_option("--seed", arguments.evaluate.bootstrap_seed, "of the resamples")
      ->check(CLI::NonNegativeNumber.description(""))
      ->capture_default_str();
  app.add_option("--against", arguments.against,
                 "hypotheses of another system for the same keys: differences with their intervals and p-values "
                 "(paired bootstrap, 1000 resamples unless --bootstrap says otherwise)");
  app.add_option("--coco", arguments.coco,
                 "folder for references.json and results.json, which COCO captioning packages read");
  app.add_option("--output", arguments.output, "file to write instead of standard output");
}

// Those of the tasks asked for.
std::vector<usam::eval::Hypothesis> read(const std::string& file, const std::vector<std::string>& tasks) {
  auto hypotheses = usam::eval::read_hypotheses(file);
  for (const std::string& task : tasks)
    if (std::ranges::count(hypotheses, task, &usam::eval::Hypothesis::task) == 0)
      usam::user_error("{}: no line is of task '{}'.", file, task);
  if (!tasks.empty()) std::erase_if(hypotheses, [&](const auto& h) { return std::ranges::count(tasks, h.task) == 0; });
  return hypotheses;
}

int score(const Arguments& arguments) {
  using namespace usam;
  for (const std::string& metric : arguments.metrics) eval::is_tag_metric(metric);  // refuses an unknown one
  auto options = eval::score_options(arguments.evaluate);
  const auto hypotheses = read(arguments.file, arguments.tasks);
  Json result;
  if (arguments.against.empty()) {
    result = eval::score_report(hypotheses, arguments.metrics, options);
  } else {
    if (options.bootstrap.resamples == 0) options.bootstrap.resamples = 1000;
    result = {{"file", arguments.file}, {"against", arguments.against}};
    result.update(eval::compare(hypotheses, read(arguments.against, arguments.tasks), arguments.metrics, options));
  }
  if (!arguments.coco.empty()) eval::write_coco(arguments.coco, hypotheses);
  const std::string text = to_lines(result);
  if (arguments.output.empty()) {
    std::fputs(text.c_str(), stdout);
  } else {
    write_file_atomically(arguments.output, text);
  }
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Scores a file of hypotheses and prints the metrics as JSON (fractions, not percent).", "usam-score");
  Arguments arguments;
  add_options(app, arguments);
  return usam::run_app(app, argc, argv, [&] { return score(arguments); });
}
