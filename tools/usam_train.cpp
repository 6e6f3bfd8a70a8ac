// usam-train: trains what a config says, or checks it.
#include <cstdio>
#include <filesystem>

#include "recipes/evaluation.h"
#include "recipes/parameters.h"
#include "recipes/pictures.h"
#include "recipes/run.h"
#include "recipes/start.h"
#include "recipes/validate.h"
#include "src/base/log.h"
#include "src/eval/report.h"
#include "tools/command_line.h"
#include "tools/join_ranks.h"
#include "trainer/run_folder.h"
#include "trainer/trainer.h"

namespace {

using namespace usam;

struct Arguments {
  std::string config, validate, resume = "auto";
  std::vector<std::string> overrides;
  bool prints_config = false;
};

// Decoding figures of the validation set, where trainer.best asks for one ("ASR/wer"). The ranks share the rows, but
// where their weights are in pieces (fsdp) each decodes all, so that they come to every block together.
decltype(TrainerParts::task_figures) task_figures(Recipe& recipe, const recipes::RunConfig& config,
                                                  const std::shared_ptr<dist::Communicator>& ranks) {
  if (config.trainer.best.metric.find('/') == std::string::npos) return {};
  recipes::AnswerOptions options;
  if (config.parallel.strategy != dist::Strategy::kFsdp) options.ranks = ranks;
  return [&recipe, &config, options](const std::function<bool()>& stops) mutable -> TaskFigures {
    options.stops = stops;
    const auto answered = recipes::answer(recipe, config.data.valid, config, options);
    if (answered.is_cut) return std::nullopt;
    return recipes::figures(eval::report(answered.hypotheses, eval::score_options(config.evaluate)));
  };
}

int train(recipes::RunConfig& config, const Arguments& arguments) {
  recipes::require_training_data(config);
  const dist::Launch launch = dist::read_launch();
  TrainerParts parts;
  if (launch.rank == 0) parts.about = recipes::start_record(arguments.config, arguments.overrides, config, launch);
  const auto ranks = join_ranks(launch, config.parallel);
  parts.device = dist::local_device(launch);
  const std::string run = config.run.dir.value;
  const std::string checkpoint = choose_resume(run, arguments.resume);
  if (!checkpoint.empty()) check_resumed_config(checkpoint, config);
  const auto train_source = recipes::open_data(config.data.train, config);
  const auto recipe = recipes::build_recipe(config, *train_source, ranks, checkpoint);
  std::filesystem::create_directories(run);
  auto skips =
      std::make_shared<data::SkipList>(config.data.max_skipped, data::SkipList::append_to(run + "/skipped.jsonl"));
  parts.recipe = recipe;
  parts.ranks = ranks;
  parts.strategy = config.parallel.strategy;
  const auto train_set = recipes::make_data_set(train_source, *recipe, config, true, skips);
  parts.train = recipes::make_batches(train_set, *ranks);
  if (parts.strategy == dist::Strategy::kFsdp) parts.stand_in = train_set->silence();
  if (!config.data.valid.empty()) {
    const auto valid_source = recipes::open_data(config.data.valid, config);
    parts.valid = recipes::make_batches(recipes::make_data_set(valid_source, *recipe, config, false, skips), *ranks);
    parts.pictures = recipes::make_pictures(*recipe, config, valid_source);
    parts.task_figures = task_figures(*recipe, config, ranks);
  }
  parts.run = run;
  parts.prometheus = config.run.prometheus.value;
  parts.config_yaml = print_config(config);
  parts.seed = static_cast<uint64_t>(config.seed);
  recipe->train(true);
  log::info("{}", recipes::parameter_summary(*recipe));
  recipes::log_device(parts.device);
  parts.checkpoint = checkpoint;
  return Trainer(config.trainer, std::move(parts)).run() == Outcome::kStopped ? kPreempted : kDone;
}

int run(const Arguments& arguments) {
  recipes::RunConfig config;
  load_config(arguments.config, {arguments.overrides, arguments.validate == "offline"}, config);
  if (arguments.prints_config) {
    std::fputs(print_config(config).c_str(), stdout);
    return kDone;
  }
  if (arguments.validate == "offline") {
    std::printf("%s: the config is valid (paths and data were not looked at)\n", arguments.config.c_str());
    return kDone;
  }
  if (!arguments.validate.empty()) {
    const dist::Launch launch = dist::read_launch();
    const std::string found = recipes::validate(config, join_ranks(launch, config.parallel));
    if (launch.rank == 0) std::fputs(found.c_str(), stdout);
    return kDone;
  }
  return train(config, arguments);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Trains what a config says. RUN/best and RUN/last are the checkpoints; run it again to continue.",
               "usam-train");
  Arguments arguments;
  app.add_option("CONFIG", arguments.config, "YAML file: one file, one run")->required();
  app.add_option("OVERRIDES", arguments.overrides, "key.sub=value, laid over the file");
  // A flag: what follows it after a space is another argument.
  app.add_flag("--validate{all}", arguments.validate,
               "check the config, its data and its models, and train nothing; =offline: the config alone")
      ->check(CLI::IsMember({"all", "offline"}));
  app.add_flag("--print-config", arguments.prints_config, "print the whole config, defaults included, and end");
  app.add_option("--resume", arguments.resume,
                 "auto: continue from the newest checkpoint of run.dir; none; or a checkpoint")
      ->capture_default_str();
  app.footer([] {
    recipes::RunConfig defaults;
    return "Keys of a config:\n" + help_text(defaults);
  });
  return run_app(app, argc, argv, [&] { return run(arguments); });
}
