#include "trainer/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/machine.h"
#include "src/base/text.h"

namespace usam {

RunLock::~RunLock() {
  if (file_ >= 0) close(file_);
}

void RunLock::take(const std::string& run) {
  std::filesystem::create_directories(run + "/ranks");
  const std::string path = run + "/ranks/lock";
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) return;
  if (flock(file_, LOCK_EX | LOCK_NB) == 0) {
    const std::string holder = fmt::format("process {} on {}", getpid(), host_name());
    if (ftruncate(file_, 0) == 0) (void)!pwrite(file_, holder.data(), holder.size(), 0);
    return;
  }
  const bool is_held = errno == EWOULDBLOCK;
  close(std::exchange(file_, -1));
  if (is_held)
    user_error("{} is being trained by {}. Wait until it ends, or give this run a run.dir of its own.", run,
               read_file(path));
}

}  // namespace usam
