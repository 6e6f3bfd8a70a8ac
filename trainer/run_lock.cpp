#include "trainer/run_lock.h"

#include <unistd.h>

#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/machine.h"
#include "src/base/text.h"

namespace usam {

void RunLock::take(const std::string& run) {
  std::filesystem::create_directories(run + "/ranks");
  const std::string path = run + "/ranks/lock";
  if (!lock_.try_take(path))
    user_error("{} is being trained by {}. Wait until it ends, or give this run a run.dir of its own.", run,
               read_file(path));
  lock_.write(fmt::format("process {} on {}", getpid(), host_name()));
}

}  // namespace usam
