// usam-generate: answers of a checkpoint for audio files, one JSON object a line.
#include <cstdio>

#include "recipes/recipe_registry.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/dist/launch.h"
#include "tools/command_line.h"
#include "tools/generate/answering.h"
#include "tools/generate/arguments.h"

namespace {

using namespace usam;

Json to_json(const decode::Hypothesis& hypothesis, bool has_log_probs) {
  Json json = {{"text", hypothesis.text}};
  if (has_log_probs) json.update({{"log_prob", hypothesis.log_prob}, {"mean_log_prob", hypothesis.mean_log_prob()}});
  return json;
}

Json to_json(const ClipAnswer& answer, const GenerateArguments& arguments) {
  const auto& row = answer.clip.row;
  Json line = {{"audio", answer.clip.audio}};
  if (answer.clip.is_of_manifest) line["key"] = row.key;
  if (!answer.error.empty()) {
    line["error"] = answer.error;
    return line;
  }
  if (!row.task.empty())
    line["task"] = row.task;
  else
    line["prompt"] = row.prompt;
  decode::Hypothesis all;  // windows count together
  for (const auto& hypotheses : answer.windows) {
    all.log_prob += hypotheses.front().log_prob;
    all.tokens += hypotheses.front().tokens;
  }
  all.text = answer.text;
  line.update(to_json(all, arguments.has_log_probs));
  if (arguments.n_best > 0)
    for (const auto& hypothesis : answer.windows.front())
      line["n_best"].push_back(to_json(hypothesis, arguments.has_log_probs));
  return line;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// The prompt as a recipe wants it.
AskedOfAll asked_of(const GenerateArguments& arguments, const recipes::RunConfig& config) {
  AskedOfAll asked{arguments.task, arguments.prompt};
  if (!asked.prompt.empty()) {
    if (asked.prompt.find("<audio>") == std::string::npos) asked.prompt = "<audio>" + asked.prompt;
    return asked;
  }
  const auto tasks = recipes::recipe_registry().tasks(config.recipe);
  if (!asked.task.empty() && !tasks.empty() && !tasks.contains(asked.task))
    user_error("There is no prompt for --task {}; use one of {}, or give --prompt.", asked.task,
               join_words({tasks.begin(), tasks.end()}, "or"));
  return asked;
}

int generate(const GenerateArguments& arguments) {
  const auto config = config_of(arguments);
  Inputs inputs(arguments.audio, asked_of(arguments, config));
  if (inputs.ignored() > 0)
    log::info("{} files in the folders are no audio by their names and were left out", inputs.ignored());
  const bool is_streamed = streams(arguments, config, inputs.reads_standard_input() ? 2 : inputs.known());
  const auto recipe = recipes::open_checkpoint(arguments.checkpoint, config);
  auto* answers = dynamic_cast<recipes::Answers*>(recipe.get());
  if (!answers) user_error("{}: the recipe '{}' gives no text.", arguments.checkpoint, config.recipe.type);
  const auto device = dist::local_device({});
  recipe->module().to(device);

  const auto& window = config.evaluate.window;
  data::ClipOptions read = data::clip_options(config.data);
  read.augment = {};
  if (window) read = {window->seconds, false, {}};
  const Clips clips(*recipe, read);
  AnsweringOptions options{search_of(arguments, config, *answers), config.evaluate.batch_rows,
                           std::max<int64_t>(1, config.data.threads), window, nullptr};
  if (is_streamed) options.on_text = print;
  int64_t total = 0, failed = 0, truncated = 0;
  answer_all(*answers, clips, device, inputs, options, [&](const ClipAnswer& answer) {
    if (!answer.error.empty() && arguments.on_error == "fail") user_error("{}", answer.error);
    ++total;
    failed += !answer.error.empty();
    truncated += answer.is_truncated;
    const bool is_shown = is_streamed && answer.error.empty();
    print((is_shown ? "" : to_line(to_json(answer, arguments))) + "\n");
  });
  const auto limit = data::length_limit(config.data);
  if (truncated > 0) log::warn("{} clips were cut to {}max_seconds = {} s", truncated, limit.prefix, limit.seconds);
  if (failed > 0) log::error("{} of {} clips could not be answered", failed, total);
  return failed > 0 ? kFailed : kDone;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Prints what a checkpoint answers for audio files, one JSON object a line.", "usam-generate");
  GenerateArguments arguments;
  add_generate_options(app, arguments);
  return run_app(app, argc, argv, [&] { return generate(arguments); });
}
