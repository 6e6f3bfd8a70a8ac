#pragma once
// The options of programs that open a checkpoint: where its base models lie.
#include <CLI/CLI.hpp>
#include <string>

#include "recipes/bases.h"

namespace usam {

// `otherwise`: what the help says of base models that neither these options nor USAM_MODELS place, or "".
inline void add_base_options(CLI::App& app, recipes::BaseFolders& bases, const std::string& otherwise = "") {
  app.add_option(
      "--models", bases.models,
      "folder that holds the base models under the names that they had; default: USAM_MODELS, if set" + otherwise);
  app.add_option("--base", bases.named, "NAME=FOLDER: where one base model lies, like llm=/models/llama")
      ->take_all()
      ->allow_extra_args(false);
}

}  // namespace usam
