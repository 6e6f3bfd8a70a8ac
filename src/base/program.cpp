#include "src/base/program.h"

#include <csignal>
#include <cstdio>
#include <exception>

#include "src/base/error.h"
#include "src/base/log.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace usam {
namespace {

// Torch's errors carry the stack that they came from, which tells a user nothing; USAM_LOG=debug shows it.
std::string message_of(const std::exception& e) {
  const std::string text = e.what();
  return log::level() == log::Level::kDebug ? text : text.substr(0, text.find("\nException raised from "));
}

// What a step frees the next one needs again. Handed back to the system, as blocks beyond 32 MiB always would be, its
// pages would be cleared and mapped anew each time: a tenth of a step's processor time at the widths of Whisper-small.
void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

}  // namespace

int run_program(const std::function<int()>& program) {
  keep_freed_memory();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is an error of the write, as a full disk is
  try {
    return program();
  } catch (const UserError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return kUserError;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "usam failed: %s\n", message_of(e).c_str());
    return kFailed;
  } catch (...) {
    std::fprintf(stderr, "usam failed with an exception of an unknown type.\n");
    return kFailed;
  }
}

std::string version() {
  return USAM_VERSION;
}

std::string versions() {
  return USAM_VERSION "\n" USAM_BUILT_WITH;
}

}  // namespace usam
