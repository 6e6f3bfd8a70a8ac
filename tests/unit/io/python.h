#pragma once
// Runs a Python script with the packages that usam is compared with.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace usam::test {

// The interpreter of a virtual environment of the checkout, "" where it is absent.
inline std::string python_of(const char* variable, const char* folder) {
  const char* set = std::getenv(variable);
  const auto python = std::filesystem::path(set ? set : folder) / "bin/python";
  return std::filesystem::exists(python) ? python.string() : "";
}
inline std::string oracle_python() {
  return python_of("USAM_ORACLE_VENV", ".venv-oracle");
}
inline std::string torch_python() {
  return python_of("USAM_VENV", ".venv");
}

#define USAM_NEEDS_ORACLE_PYTHON()         \
  if (usam::test::oracle_python().empty()) \
  GTEST_SKIP() << "needs the oracle packages (make test makes .venv-oracle; set USAM_ORACLE_VENV)"

struct Output {
  int status;        // exit status
  std::string text;  // standard output and error
};

inline Output run_command(const std::string& command) {
  Output output{-1, ""};
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return output;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.text.append(buffer, n);
  const int status = pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

}  // namespace usam::test
