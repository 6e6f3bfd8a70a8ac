#include "src/base/program.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
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
  // One heap for all threads: those of others would be no larger than 64 MiB, and larger blocks mapped anew each time.
  mallopt(M_ARENA_MAX, 1);
#endif
}

// Torch asks the system for large pages under its tensors where the environment says so; where that has them ("madvise"
// or "always" in /sys/kernel/mm/transparent_hugepage/enabled) there are fewer to map, and fewer holes between tensors:
// a fifth less memory at the widths of Whisper-small with weights in int8. The user's own word stands.
void ask_for_large_pages() {
  setenv("THP_MEM_ALLOC_ENABLE", "1", /*overwrite=*/0);
}

}  // namespace

int run_program(const std::function<int()>& program) {
  keep_freed_memory();
  ask_for_large_pages();
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
