// usam-generate: answers of a checkpoint for audio files, one JSON object a line.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "data/loader.h"
#include "data/sources/files.h"
#include "recipes/answers.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "src/decode/constraint.h"
#include "src/dist/launch.h"
#include "tools/base_options.h"
#include "tools/command_line.h"

namespace {

using namespace usam;

struct Arguments {
  std::string checkpoint, task, prompt;
  recipes::BaseFolders bases;
  std::vector<std::string> audio, labels;
  std::map<std::string, std::string> decoding;  // keys of evaluate.decoding, "" where not given
  int64_t max_new_tokens = 0, n_best = 0;
  bool is_number = false, has_log_probs = false;
};

recipes::RunConfig config_of(const Arguments& arguments) {
  auto overrides = recipes::base_overrides(arguments.checkpoint, arguments.bases);
  if (arguments.max_new_tokens > 0)
    overrides.push_back(fmt::format("evaluate.max_new_tokens={}", arguments.max_new_tokens));
  for (const auto& [key, value] : arguments.decoding)
    if (!value.empty()) overrides.push_back(fmt::format("evaluate.decoding.{}={}", key, value));
  auto config = recipes::checkpoint_config(arguments.checkpoint, overrides);
  const auto& decoding = config.evaluate.decoding;
  if (arguments.n_best > decoding.beams && decoding.temperature == 0)
    user_error("--n-best {} needs as many --beams, or a --temperature to draw them.", arguments.n_best);
  config.data.on_error = data::OnError::kFail;
  config.data.batch = {.seconds = std::nullopt, .rows = config.evaluate.batch_rows};
  return config;
}

decode::Options options_of(const Arguments& arguments, const recipes::RunConfig& config,
                           const recipes::Answers& recipe) {
  const auto& tokenizer = *recipe.tokenizer();
  auto options = recipes::decoding_options(config.evaluate, recipe);
  options.n_best = std::max<int64_t>(arguments.n_best, 1);
  for (const auto& label : arguments.labels) {
    if (const auto tokens = std::ssize(tokenizer.encode(label)); tokens > options.max_new_tokens)
      user_error("--label '{}' has {} tokens: --max-new-tokens {} would cut it.", label, tokens,
                 options.max_new_tokens);
  }
  if (!arguments.labels.empty()) options.constraint = decode::one_of(arguments.labels, tokenizer);
  if (arguments.is_number) options.constraint = decode::a_number(tokenizer);
  return options;
}

Json to_json(const decode::Hypothesis& hypothesis, bool has_log_probs) {
  Json json = {{"text", hypothesis.text}};
  if (has_log_probs) json.update({{"log_prob", hypothesis.log_prob}, {"mean_log_prob", hypothesis.mean_log_prob()}});
  return json;
}

void print_answers(const std::string& audio, const std::vector<decode::Hypothesis>& hypotheses,
                   const Arguments& arguments) {
  Json line = {{"audio", audio}, {"task", arguments.task}};
  line.update(to_json(hypotheses.front(), arguments.has_log_probs));
  if (arguments.n_best > 0) {
    for (const auto& hypothesis : hypotheses) line["n_best"].push_back(to_json(hypothesis, arguments.has_log_probs));
  }
  std::printf("%s\n", line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

int generate(const Arguments& arguments) {
  const auto config = config_of(arguments);
  const auto recipe = recipes::open_checkpoint(arguments.checkpoint, config);
  auto* answers = dynamic_cast<recipes::Answers*>(recipe.get());
  if (!answers) user_error("{}: the recipe '{}' gives no text.", arguments.checkpoint, config.recipe.type);
  const auto options = options_of(arguments, config, *answers);
  const auto device = dist::local_device({});
  recipe->module().to(device);
  std::string prompt = arguments.prompt;
  if (!prompt.empty() && prompt.find("<audio>") == std::string::npos) prompt = "<audio>" + prompt;
  const auto source = std::make_shared<data::FileList>(arguments.audio, arguments.task, prompt);
  data::Loader loader(recipes::make_data_set(source, *recipe, config, false, nullptr), {});
  while (const auto batch = loader.next()) {
    const auto all = recipes::generate(*answers, batch->to(device), options);
    for (size_t i = 0; i < all.size(); ++i)
      print_answers(arguments.audio.at(static_cast<size_t>(batch->rows[i])), all[i], arguments);
  }
  return kDone;
}

void add_decoding_options(CLI::App& app, Arguments& arguments) {
  const auto add = [&](const std::string& option, const std::string& key, const std::string& help) {
    app.add_option(option, arguments.decoding[key], help)
        ->type_name("NUMBER")
        ->group("Search (default: evaluate.decoding of the checkpoint)");
  };
  add("--beams", "beams", "answers searched side by side");
  add("--length-penalty", "length_penalty", "beams are ranked by log-probability / tokens^NUMBER");
  add("--repetition-penalty", "repetition_penalty", "above 1: what an answer holds is less likely to come again");
  add("--temperature", "temperature", "above 0: tokens are drawn");
  add("--top-k", "top_k", "draw from so many of the likeliest tokens");
  add("--top-p", "top_p", "draw from the likeliest tokens that together are so probable");
  add("--seed", "seed", "of the draws");
  app.add_option("--n-best", arguments.n_best, "print so many answers of each file as \"n_best\"")
      ->check(CLI::PositiveNumber);
  app.add_flag("--log-probs", arguments.has_log_probs,
               "print each answer's \"log_prob\", the sum over its tokens, and \"mean_log_prob\"");
  auto* label = app.add_option("--label", arguments.labels, "a possible answer; given several times: one of them")
                    ->take_all()
                    ->allow_extra_args(false);
  app.add_flag("--number", arguments.is_number, "the answer is a number")->excludes(label);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Prints what a checkpoint answers for audio files, one JSON object a line.", "usam-generate");
  Arguments arguments;
  app.add_option("--checkpoint", arguments.checkpoint, "a checkpoint, like RUN/best")->required();
  app.add_option("--task", arguments.task, "task whose prompt is used: ASR, SEC, MC, ...")->required();
  app.add_option("--prompt", arguments.prompt,
                 "text instead of the task's prompt; <audio> marks the place of the audio (default: first)");
  app.add_option("--max-new-tokens", arguments.max_new_tokens,
                 "longest answer; default: evaluate.max_new_tokens of the checkpoint");
  add_decoding_options(app, arguments);
  add_base_options(app, arguments.bases);
  app.add_option("AUDIO", arguments.audio, "audio files")->required();
  return run_app(app, argc, argv, [&] { return generate(arguments); });
}
