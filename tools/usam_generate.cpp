// usam-generate: answers of a checkpoint for audio files, one JSON object a line.
#include <cstdio>

#include "data/loader.h"
#include "data/sources/files.h"
#include "recipes/answers.h"
#include "recipes/run.h"
#include "src/base/error.h"
#include "src/base/json.h"
#include "src/dist/launch.h"
#include "tools/base_options.h"
#include "tools/command_line.h"

namespace {

using namespace usam;

struct Arguments {
  std::string checkpoint, task, prompt;
  recipes::BaseFolders bases;
  std::vector<std::string> audio;
  int64_t max_new_tokens = 0;
};

int generate(const Arguments& arguments) {
  auto config =
      recipes::checkpoint_config(arguments.checkpoint, recipes::base_overrides(arguments.checkpoint, arguments.bases));
  config.data.on_error = data::OnError::kFail;
  config.data.batch = {.seconds = std::nullopt, .rows = config.evaluate.batch_rows};
  const auto recipe = recipes::open_checkpoint(arguments.checkpoint, config);
  auto* answers = dynamic_cast<recipes::Answers*>(recipe.get());
  if (!answers) user_error("{}: the recipe '{}' gives no text.", arguments.checkpoint, config.recipe.type);
  const auto device = dist::local_device({});
  recipe->module().to(device);
  std::string prompt = arguments.prompt;
  if (!prompt.empty() && prompt.find("<audio>") == std::string::npos) prompt = "<audio>" + prompt;
  const auto source = std::make_shared<data::FileList>(arguments.audio, arguments.task, prompt);
  data::Loader loader(recipes::make_data_set(source, *recipe, config, false, nullptr), {});
  const int64_t limit = arguments.max_new_tokens > 0 ? arguments.max_new_tokens : config.evaluate.max_new_tokens;
  while (const auto batch = loader.next()) {
    const auto texts = answers->generate(batch->to(device), limit);
    for (size_t i = 0; i < texts.size(); ++i) {
      const Json line = {{"audio", arguments.audio.at(static_cast<size_t>(batch->rows[i]))},
                         {"task", arguments.task},
                         {"text", texts[i]}};
      std::printf("%s\n", line.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
      std::fflush(stdout);
    }
  }
  return kDone;
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
  add_base_options(app, arguments.bases);
  app.add_option("AUDIO", arguments.audio, "audio files")->required();
  return run_app(app, argc, argv, [&] { return generate(arguments); });
}
