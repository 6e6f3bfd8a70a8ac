#pragma once
// The command line of usam-generate.
#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "recipes/answers.h"
#include "recipes/bases.h"
#include "recipes/run.h"

namespace usam {

struct GenerateArguments {
  std::string checkpoint, task, prompt, on_error = "skip";
  recipes::BaseFolders bases;
  std::vector<std::string> audio, labels, stop;
  std::map<std::string, std::string> evaluate;  // keys of `evaluate`, "" where not given
  int64_t n_best = 0;
  bool is_number = false, has_log_probs = false;
  bool streams = false, streams_not = false;
};
void add_generate_options(CLI::App& app, GenerateArguments& arguments);

// The checkpoint's config with what the command line says over it.
recipes::RunConfig config_of(const GenerateArguments& arguments);
// The search. UserError: options that the recipe's tokenizer or the others cannot go with.
std::shared_ptr<const decode::Options> search_of(const GenerateArguments& arguments, const recipes::RunConfig& config,
                                                 const recipes::Answers& recipe);
// Whether the answer is written as its tokens come: as asked for, else where one file is answered on a terminal.
// UserError: asked for together with what only whole answers have.
bool streams(const GenerateArguments& arguments, const recipes::RunConfig& config, int64_t clips);

}  // namespace usam
