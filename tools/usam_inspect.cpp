// usam-inspect: what the parts of a run compute and hold, one subcommand for each.
#include <iostream>

#include "tools/command_line.h"
#include "tools/inspect/commands.h"

namespace {

using namespace usam;

struct Arguments {
  inspect::EncodeArguments encode;
  inspect::LogitsArguments logits;
  inspect::MergeArguments merge;
  inspect::DataArguments data;
  std::string tokenizer, checkpoint, exported, output, run;
  std::vector<std::string> runs;
};

void add_encode(CLI::App& app, inspect::EncodeArguments& arguments) {
  auto* command = app.add_subcommand("encode",
                                     "Writes what a Whisper, CED, HuBERT, MERT or wav2vec2 folder computes for one "
                                     "audio file, as its own class does.");
  command->add_option("--encoder", arguments.encoder, "Hugging Face folder")->required();
  command->add_option("--audio", arguments.audio, "audio file, at any rate")->required();
  command
      ->add_option("--output", arguments.output,
                   "safetensors file: input_features, hidden_states.0 to N, last_hidden_state")
      ->required();
}

void add_logits(CLI::App& app, inspect::LogitsArguments& arguments) {
  auto* command = app.add_subcommand("logits", "Writes a language model's logits after every token of a sequence.");
  command->add_option("--llm", arguments.llm, "Hugging Face folder of a Llama, Mistral, Qwen2 or Qwen3 model")
      ->required();
  auto* input = command->add_option_group("input", "either of");
  input->add_option("--ids", arguments.ids, "comma-separated token ids")->delimiter(',')->allow_extra_args(false);
  input->add_option("--text", arguments.text, "text for the folder's tokenizer; special tokens in it are parsed");
  input->require_option(1);
  command->add_option("--adapter", arguments.adapter, "peft folder with a LoRA adapter for the model");
  command->add_option("--output", arguments.output, "safetensors file: ids (1, T), logits (1, T, V)")->required();
  command->callback([&arguments, input] { arguments.has_text = input->get_option("--text")->count() > 0; });
}

void add_merge(CLI::App& app, inspect::MergeArguments& arguments) {
  auto* command = app.add_subcommand(
      "merge", "Writes a language model's folder with a LoRA adapter merged into its weights, and reports the drift.");
  command->add_option("--llm", arguments.llm, "Hugging Face folder of the base model")->required();
  command->add_option("--adapter", arguments.adapter, "peft folder with a LoRA adapter for the model")->required();
  command->add_option("--output", arguments.output, "folder to write; it must not exist")->required();
  command
      ->add_option("--ids", arguments.ids,
                   "comma-separated token ids to compare the logits of; default: 64 random ones")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--seed", arguments.seed, "of the random ids")->check(CLI::NonNegativeNumber);
}

void add_export(CLI::App& app, Arguments& arguments) {
  auto* command = app.add_subcommand(
      "export", "Makes one folder of a checkpoint that opens on other machines, given the base models.");
  command->add_option("CHECKPOINT", arguments.exported, "RUN/best or RUN/checkpoint-1000")->required();
  command->add_option("--output", arguments.output, "folder to write; it must not exist")->required();
}

void add_data(CLI::App& app, inspect::DataArguments& arguments) {
  auto* command = app.add_subcommand(
      "data", "What a manifest, or each of those of a config, holds, and what is wrong with it; mends it with --fix.");
  command->add_option("CONFIG_OR_MANIFEST", arguments.path, "YAML config, or any source that a config may name")
      ->required();
  command->add_option("--html", arguments.html, "page to write, with plots and players");
  command->add_option("--fix", arguments.fix,
                      "clean manifest to write, FILE.jsonl; what is left out goes to FILE-rejects.jsonl");
  command
      ->add_option("--audio", arguments.audio,
                   "how much of the recordings is read: none, headers (the default) or decode (with --fix)")
      ->check(CLI::IsMember({"none", "headers", "decode"}));
  command->add_option("--threads", arguments.threads, "0: one for each processor")->check(CLI::Range(0, 256));
}

void add_runs(CLI::App& app, Arguments& arguments) {
  auto* report =
      app.add_subcommand("report", "Makes one page of a run: curves, metrics, samples, config, environment.");
  report->add_option("RUN", arguments.run, "the folder of a run, also of one that is under way")->required();
  report->add_option("--output", arguments.output, "page to write; default: RUN/report.html");
  auto* compare = app.add_subcommand("compare", "Puts runs side by side: their figures, and the keys that differ.");
  compare->add_option("RUN", arguments.runs, "folders of two or more runs")->required();
  compare->add_option("--output", arguments.output, "page to write, with the curves of all of them");
}

void add_others(CLI::App& app, Arguments& arguments) {
  app.add_subcommand("tokens",
                     R"(JSON lines {"text"} from standard input become {"ids", "decoded", "decoded_skip_special"}.)")
      ->add_option("--tokenizer", arguments.tokenizer, "folder with tokenizer.json or tokenizer.model, or such a file")
      ->required();
  app.add_subcommand("checkpoint", "What a checkpoint or a run's folder holds, and what is wrong with it.")
      ->add_option("PATH", arguments.checkpoint, "RUN, RUN/best or RUN/checkpoint-1000")
      ->required();
}

int run(const CLI::App& app, const Arguments& arguments) {
  if (app.got_subcommand("encode")) return inspect::encode(arguments.encode);
  if (app.got_subcommand("logits")) return inspect::logits(arguments.logits);
  if (app.got_subcommand("merge")) return inspect::merge(arguments.merge, std::cout);
  if (app.got_subcommand("export")) return inspect::export_checkpoint(arguments.exported, arguments.output, std::cout);
  if (app.got_subcommand("tokens")) return inspect::tokens(arguments.tokenizer, std::cin, std::cout);
  if (app.got_subcommand("report")) return inspect::report(arguments.run, arguments.output, std::cout);
  if (app.got_subcommand("compare")) return inspect::compare(arguments.runs, arguments.output, std::cout);
  if (app.got_subcommand("data")) return inspect::data(arguments.data, std::cout);
  return inspect::checkpoint(arguments.checkpoint, std::cout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Shows what the parts of a run compute and hold.", "usam-inspect");
  Arguments arguments;
  app.require_subcommand(1);
  add_encode(app, arguments.encode);
  add_logits(app, arguments.logits);
  add_merge(app, arguments.merge);
  add_export(app, arguments);
  add_data(app, arguments.data);
  add_runs(app, arguments);
  add_others(app, arguments);
  return run_app(app, argc, argv, [&] { return run(app, arguments); });
}
