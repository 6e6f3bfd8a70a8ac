// usam-eval: answers of a checkpoint over the test sets of a config, and their metrics.
#include <cstdio>
#include <filesystem>

#include "recipes/evaluation.h"
#include "recipes/report/files.h"
#include "recipes/run.h"
#include "recipes/validate.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "tools/base_options.h"
#include "tools/command_line.h"
#include "tools/join_ranks.h"
#include "trainer/agreement.h"

namespace {

using namespace usam;

struct Arguments {
  std::string config, checkpoint, output;
  std::vector<std::string> overrides;
  recipes::BaseFolders bases;
  bool explains = false, is_fresh = false;
};

int evaluate(const Arguments& arguments) {
  recipes::RunConfig asked;
  // Offline: what the model was trained on need not be on this machine; what is used is opened below.
  load_config(arguments.config, {arguments.overrides, true}, asked);
  const std::string checkpoint = arguments.checkpoint.empty() ? asked.run.dir.value + "/best" : arguments.checkpoint;
  if (!arguments.bases.empty()) {
    auto overrides = recipes::base_overrides(checkpoint, arguments.bases);
    overrides.insert(overrides.end(), arguments.overrides.begin(), arguments.overrides.end());
    asked = {};
    load_config(arguments.config, {overrides, true}, asked);
  }
  if (asked.data.test.empty())
    user_error("data.test names no test set: name one in {}, or give the override data.test=FILE.", arguments.config);
  auto config = recipes::evaluation_config(checkpoint, asked, arguments.overrides);
  const auto launch = dist::read_launch();
  recipes::AnswerOptions options;
  options.explains = arguments.explains;
  options.ranks = join_ranks(launch, asked.parallel);
  recipes::Origin origin{std::filesystem::canonical(checkpoint), {}};
  require_agreement({{"config", print_config(config)}, {"checkpoint", origin.checkpoint}}, *options.ranks);
  const auto recipe = recipes::open_checkpoint(checkpoint, config);
  recipe->module().to(dist::local_device(launch));
  const std::string output = arguments.output.empty()
                                 ? (std::filesystem::path(origin.checkpoint).parent_path() / "evaluation").string()
                                 : arguments.output;
  const bool is_first = launch.rank == 0;
  if (is_first) {
    std::filesystem::create_directories(output);
    std::filesystem::remove(output + "/skipped.jsonl");
    options.skips =
        std::make_shared<data::SkipList>(config.data.max_skipped, data::SkipList::append_to(output + "/skipped.jsonl"));
  }
  origin.hashes = recipes::answers_origin(checkpoint, config, arguments.explains);
  options.journal = std::make_shared<recipes::Journal>(
      recipes::JournalConfig{output + "/partial", origin.hashes, arguments.is_fresh}, *options.ranks);
  const auto answered = recipes::answer(*recipe, config.data.test, config, options);
  options.ranks->monitor().at({0, "writing metrics and report", {}, 10});
  if (is_first) {
    std::fputs(to_lines(recipes::write_evaluation(*recipe, answered, config, output, origin)).c_str(), stdout);
    log::info("metrics.json, hypotheses.jsonl and report.html are in {}", output);
  }
  options.journal->remove();
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Evaluates a checkpoint on data.test of a config; model, prompts and tokenizer come from the checkpoint.",
      "usam-eval");
  Arguments arguments;
  app.add_option(
         "CONFIG", arguments.config,
         "YAML file with data.test and evaluate; evaluate.normalizer is the checkpoint's unless an override names it")
      ->required();
  app.add_option("OVERRIDES", arguments.overrides, "key.sub=value, laid over the file");
  app.add_option("--checkpoint", arguments.checkpoint, "a checkpoint; default: best of run.dir");
  app.add_option(
      "--output", arguments.output,
      "folder for metrics.json, hypotheses.jsonl and report.html; default: evaluation/ beside the checkpoint");
  add_base_options(app, arguments.bases, ", else as CONFIG says");
  app.add_flag("--explain", arguments.explains,
               "also write explained.jsonl: kept frames and router weights of every clip");
  app.add_flag("--fresh", arguments.is_fresh,
               "decode everything, also what an evaluation that was broken off has left");
  return run_app(app, argc, argv, [&] { return evaluate(arguments); });
}
