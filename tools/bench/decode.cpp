// Decodes greedily with the language model of a Hugging Face folder, once for every line on standard input:
// tools/bench/decode.py holds it against transformers' generate. B prompts, T positions, D width.
#include <chrono>
#include <iostream>

#include "src/base/error.h"
#include "src/base/json.h"
#include "src/decode/generate.h"
#include "src/io/safetensors.h"
#include "src/models/model_registry.h"
#include "tools/bench/processor_time.h"
#include "tools/command_line.h"
#include "tools/inspect/folder_part.h"

namespace {

struct Arguments {
  std::string llm, prompts;
  std::vector<std::string> keys;
  int threads = 1;
};

struct Clock {
  std::chrono::steady_clock::time_point wall = std::chrono::steady_clock::now();
  double processor = processor_seconds();

  usam::Json passed() const {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - wall;
    return {{"wall_s", seconds.count()}, {"cpu_s", processor_seconds() - processor}};
  }
};

std::shared_ptr<usam::LanguageModel> open(const Arguments& arguments) {
  const auto& registry = usam::language_model_registry();
  const auto types = registry.types_of_folders();
  std::map<std::string, usam::inspect::ConfigKeys> keys;
  for (const auto& key : arguments.keys) {
    const auto equals = key.find('=');
    if (equals == std::string::npos) usam::user_error("--llm-key {}: this is not KEY=VALUE.", key);
    for (const auto& [model_type, type] : types) keys[type][key.substr(0, equals)] = key.substr(equals + 1);
  }
  const auto part = usam::inspect::part_of_folder(arguments.llm, types, registry.choices(), keys);
  auto model = registry.build(part, {.name = part.type});
  model->eval();
  return model;
}

// A line asks for {"rows": of the prompts, "tokens": of each answer}; there is no end token.
int run(const Arguments& arguments) {
  torch::set_num_threads(arguments.threads);
  const usam::io::SafetensorsFile prompts(arguments.prompts);
  const auto prompts_BTD = prompts.get("embeds"), lengths_B = prompts.get("lengths");
  const auto model = open(arguments);
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto asked = usam::Json::parse(line);
    const auto rows = asked.at("rows").get<int64_t>();
    usam::decode::Options options;
    options.max_new_tokens = asked.at("tokens").get<int64_t>();
    const auto own_lengths_B = lengths_B.narrow(0, 0, rows);
    const auto own_BTD = prompts_BTD.narrow(0, 0, rows).narrow(1, 0, own_lengths_B.max().item<int64_t>()).contiguous();
    const Clock begin;
    const auto answers = usam::decode::generate(*model, own_BTD, own_lengths_B, options);
    auto report = begin.passed();
    for (const auto& answer : answers) report["ids"].push_back(answer.front().ids);
    std::cout << report.dump() << std::endl;
  }
  return usam::kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Times decoding: reads lines such as {\"rows\": 8, \"tokens\": 64}, answers each with times and ids.");
  app.add_option("LLM", arguments.llm, "Hugging Face folder")->required();
  app.add_option("PROMPTS", arguments.prompts, "safetensors: embeds (B, T, D), right-padded, and lengths (B)")
      ->required();
  app.add_option("--threads", arguments.threads);
  app.add_option("--llm-key", arguments.keys, "KEY=VALUE of the model's config, such as dtype=int8");
  return usam::run_app(app, argc, argv, [&] { return run(arguments); });
}
