#pragma once
// What the main() of every program ends with.
#include <CLI/CLI.hpp>
#include <functional>

#include "src/base/program.h"

namespace usam {

// Parses the command line, runs the program's body and gives its exit code (program.h).
inline int run_app(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  app.set_version_flag("--version", versions());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kUserError;
  }
  return run_program(body);
}

}  // namespace usam
