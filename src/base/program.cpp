#include "src/base/program.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>

#include "src/base/error.h"

namespace usam {
namespace {

const auto g_start = std::chrono::steady_clock::now();

}  // namespace

int run_program(const std::function<int()>& program) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is an error of the write, as a full disk is
  try {
    return program();
  } catch (const UserError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return kUserError;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "usam failed: %s\n", e.what());
    return kFailed;
  } catch (...) {
    std::fprintf(stderr, "usam failed with an exception of an unknown type.\n");
    return kFailed;
  }
}

double program_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - g_start).count();
}

std::string version() {
  return USAM_VERSION;
}

}  // namespace usam
