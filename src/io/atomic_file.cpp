#include "src/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"

namespace usam::io {

AtomicFile::AtomicFile(const std::string& path) : path_(path), aside_(fmt::format("{}.partial-{}", path, getpid())) {
  descriptor_ = open(aside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;  // committed, or never opened
  close(descriptor_);
  unlink(aside_.c_str());
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
  // The destructor removes what `aside_` names until the rename has happened.
  if (rename(aside_.c_str(), path_.c_str()) != 0) fail("rename");
  close(descriptor_);
  descriptor_ = -1;
  sync_folder(std::filesystem::absolute(path_).parent_path().string());
}

}  // namespace usam::io
