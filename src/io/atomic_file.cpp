#include "src/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "src/base/error.h"
#include "src/base/fs.h"

namespace usam::io {

AtomicFile::AtomicFile(const std::string& path) : path_(path), aside_(fmt::format("{}.partial-{}", path, getpid())) {
  descriptor_ = open(aside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!is_committed_) unlink(aside_.c_str());
}

void AtomicFile::fail(const char* what) const {
  const std::string reason = std::strerror(errno);
  user_error("{}: cannot {} the file: {}", path_, what, reason);
}

void AtomicFile::write(const void* bytes, size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = ::write(descriptor_, next, std::min<size_t>(count, 1 << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    next += written;
    count -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) fail("sync");
  // Some file systems report a failed write only here. The descriptor is gone in any case.
  if (close(std::exchange(descriptor_, -1)) != 0) fail("close");
  if (rename(aside_.c_str(), path_.c_str()) != 0) fail("rename");
  is_committed_ = true;
  sync_folder(std::filesystem::absolute(path_).parent_path().string());
}

}  // namespace usam::io
