#include "tools/generate/arguments.h"

#include <unistd.h>

#include <algorithm>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/decode/constraint.h"
#include "tools/base_options.h"

namespace usam {
namespace {

void add_search_options(CLI::App& app, GenerateArguments& arguments) {
  const auto add = [&](const std::string& option, const std::string& key, const std::string& help) {
    app.add_option(option, arguments.evaluate[key], help)
        ->type_name("NUMBER")
        ->group("Search (default: evaluate of the checkpoint)");
  };
  add("--max-new-tokens", "max_new_tokens", "longest answer");
  add("--min-new-tokens", "decoding.min_new_tokens", "no answer ends before so many tokens");
  add("--beams", "decoding.beams", "answers searched side by side");
  add("--length-penalty", "decoding.length_penalty", "beams are ranked by log-probability / tokens^NUMBER");
  add("--repetition-penalty", "decoding.repetition_penalty",
      "above 1: what an answer holds is less likely to come again");
  add("--temperature", "decoding.temperature", "above 0: tokens are drawn");
  add("--top-k", "decoding.top_k", "draw from so many of the likeliest tokens");
  add("--top-p", "decoding.top_p", "draw from the likeliest tokens that together are so probable");
  add("--seed", "decoding.seed", "of the draws");
  add("--window", "window.seconds",
      "longer audio is answered in windows of so many seconds, and their texts are merged");
  add("--overlap", "window.overlap", "seconds that a window shares with the one before it");
}

}  // namespace

void add_generate_options(CLI::App& app, GenerateArguments& arguments) {
  app.add_option("--checkpoint", arguments.checkpoint, "a checkpoint, like RUN/best")->required();
  app.add_option("--task", arguments.task, "task whose prompt is used: ASR, SEC, MC, ...");
  app.add_option("--prompt", arguments.prompt,
                 "text instead of the task's prompt; <audio> marks the place of the audio (default: first)");
  add_search_options(app, arguments);
  app.add_option("--stop", arguments.stop,
                 "a text that ends an answer and is left out of it; may be given several times")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--n-best", arguments.n_best, "print so many answers of each file as \"n_best\"")
      ->check(CLI::PositiveNumber);
  app.add_flag("--log-probs", arguments.has_log_probs,
               "print each answer's \"log_prob\", the sum over its tokens, and \"mean_log_prob\"");
  auto* label = app.add_option("--label", arguments.labels, "a possible answer; given several times: one of them")
                    ->take_all()
                    ->allow_extra_args(false);
  app.add_flag("--number", arguments.is_number, "the answer is a number")->excludes(label);
  auto* stream = app.add_flag("--stream", arguments.streams,
                              "write the text as its tokens come, no JSON; default: for one file on a terminal");
  app.add_flag("--no-stream", arguments.streams_not, "JSON lines on a terminal, too")->excludes(stream);
  app.add_option("--on-error", arguments.on_error,
                 "audio that cannot be answered: skip prints {\"audio\", \"error\"}, goes on and ends with exit code "
                 "1; fail stops")
      ->check(CLI::IsMember({"skip", "fail"}))
      ->capture_default_str();
  add_base_options(app, arguments.bases);
  app.add_option("AUDIO", arguments.audio,
                 "audio files, folders, manifests (.jsonl), or - for paths on standard input, one a line")
      ->required();
}

recipes::RunConfig config_of(const GenerateArguments& arguments) {
  auto overrides = recipes::base_overrides(arguments.checkpoint, arguments.bases);
  const auto& given = arguments.evaluate;
  if (!given.at("window.overlap").empty() && given.at("window.seconds").empty() &&
      !recipes::checkpoint_config(arguments.checkpoint, overrides).evaluate.window)
    user_error("--overlap is one of windows: give --window SECONDS, too.");
  for (const auto& [key, value] : given)
    if (!value.empty()) overrides.push_back("evaluate." + key + "=" + value);
  auto config = recipes::checkpoint_config(arguments.checkpoint, overrides);
  const auto& decoding = config.evaluate.decoding;
  if (arguments.n_best > decoding.beams && decoding.temperature == 0)
    user_error("--n-best {} needs as many --beams, or a --temperature to draw them.", arguments.n_best);
  if (arguments.n_best > 0 && config.evaluate.window)
    user_error("--n-best cannot go with --window: the answers of several windows do not merge into a ranking.");
  return config;
}

std::shared_ptr<const decode::Options> search_of(const GenerateArguments& arguments, const recipes::RunConfig& config,
                                                 const recipes::Answers& recipe) {
  const auto& tokenizer = *recipe.tokenizer();
  const auto tasks = recipes::constrained_tasks(config.evaluate);
  if (!tasks.empty() && arguments.labels.empty() && !arguments.is_number)
    log::warn("Answers to {} are free text here: evaluate.tasks holds for usam-eval. Give --label or --number.",
              join_words(tasks));
  auto options = recipes::decoding_options(config.evaluate, recipe);
  options.n_best = std::max<int64_t>(arguments.n_best, 1);
  for (const auto& stop : arguments.stop) {
    if (stop.empty()) user_error("--stop '' is an empty text, which every answer begins with.");
    options.stop.push_back(stop);
  }
  for (const auto& label : arguments.labels) {
    if (const auto tokens = std::ssize(tokenizer.encode(label)); tokens > options.max_new_tokens)
      user_error("--label '{}' has {} tokens: --max-new-tokens {} would cut it.", label, tokens,
                 options.max_new_tokens);
  }
  if (!arguments.labels.empty()) options.constraint = decode::one_of(arguments.labels, tokenizer);
  if (arguments.is_number) options.constraint = decode::a_number(tokenizer);
  return std::make_shared<const decode::Options>(std::move(options));
}

bool streams(const GenerateArguments& arguments, const recipes::RunConfig& config, int64_t clips) {
  if (arguments.streams_not) return false;
  const bool is_whole =
      config.evaluate.decoding.beams > 1 || arguments.n_best > 0 || arguments.has_log_probs || config.evaluate.window;
  if (arguments.streams && is_whole)
    user_error(
        "--stream shows one answer while it is written: it cannot go with --beams, --n-best, --log-probs or --window.");
  return arguments.streams || (!is_whole && clips == 1 && isatty(STDOUT_FILENO));
}

}  // namespace usam
