#include "src/base/program.h"

#include <csignal>
#include <cstdio>
#include <exception>

#include "src/base/error.h"

namespace usam {

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

std::string version() {
  return USAM_VERSION;
}

}  // namespace usam
