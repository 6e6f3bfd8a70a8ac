#include "src/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace usam {

bool FileLock::try_take(const std::string& path) {
  release();
  path_ = path;
  file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) return true;
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const bool is_held = errno == EWOULDBLOCK;
    close(std::exchange(file_, -1));
    return !is_held;
  }
  struct stat ours{}, there{};  // whoever held it before may have removed the file meanwhile
  if (fstat(file_, &ours) == 0 && stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino) return true;
  close(std::exchange(file_, -1));
  return false;
}

void FileLock::write(const std::string& text) {
  if (file_ >= 0 && ftruncate(file_, 0) == 0) (void)!pwrite(file_, text.data(), text.size(), 0);
}

void FileLock::release() {
  if (file_ < 0) return;
  if (at_end_ == AtEnd::kRemoveFile) unlink(path_.c_str());
  close(std::exchange(file_, -1));
}

}  // namespace usam
