#include "trainer/run_lock.h"

#include <unistd.h>

#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/machine.h"
#include "src/base/text.h"

namespace usam {
namespace {

std::string lock_of(const std::string& run) {
  return run + "/ranks/lock";
}

}  // namespace

bool RunLock::try_take(const std::string& run) {
  std::filesystem::create_directories(run + "/ranks");
  if (!lock_.try_take(lock_of(run))) return false;
  lock_.write(fmt::format("process {} on {}", getpid(), host_name()));
  return true;
}

void RunLock::take(const std::string& run) {
  if (!try_take(run))
    user_error("{} is being trained by {}. Wait until it ends, or give this run a run.dir of its own.", run,
               read_file(lock_of(run)));
}

}  // namespace usam
