// usam-score: metrics of a file of hypotheses, without a model.
#include <cstdio>

#include "src/base/fs.h"
#include "src/eval/evaluate_config.h"
#include "src/eval/report.h"
#include "tools/command_line.h"

namespace {

struct Arguments {
  std::string file;
  std::vector<std::string> metrics;
  usam::eval::EvaluateConfig evaluate;
  std::string output;
};

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("FILE", arguments.file,
                 R"(hypotheses, one JSON object a line: {"key", "task"?, "ref" | "refs", "hyp"} )"
                 R"(or {"key", "tags": [...], "scores": {tag: p}})")
      ->required();
  app.add_option(
         "--metrics", arguments.metrics,
         "comma-separated: wer, cer, bleu, accuracy, f1, map, roc_auc, mae, pearson; without it every task gets "
         "its own")
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
  app.add_option("--output", arguments.output, "file to write instead of standard output");
}

int score(const Arguments& arguments) {
  using namespace usam;
  for (const std::string& metric : arguments.metrics) eval::is_tag_metric(metric);  // refuses an unknown one
  const auto options = eval::score_options(arguments.evaluate);
  const auto hypotheses = eval::read_hypotheses(arguments.file);
  const std::string text = eval::score_report(hypotheses, arguments.metrics, options).dump(2) + "\n";
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
