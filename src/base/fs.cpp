#include "src/base/fs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "src/base/error.h"

namespace usam {
namespace {

std::string reason() {
  return std::strerror(errno);
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : value_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool is_open() const { return value_ >= 0; }
  int get() const { return value_; }

 private:
  int value_;
};

std::string folder_of(const std::string& path) {
  std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

void sync_path(const std::string& path, int flags) {
  Descriptor descriptor(path, flags);
  if (!descriptor.is_open()) user_error("Cannot open '{}': {}.", path, reason());
  if (::fsync(descriptor.get()) != 0) user_error("Cannot sync '{}' to the disk: {}.", path, reason());
}

}  // namespace

int64_t read_at(int file, void* to, int64_t count, int64_t at) {
  int64_t done = 0;
  while (done < count) {
    const ssize_t got = pread(file, static_cast<char*>(to) + done, static_cast<size_t>(count - done), at + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += got;
  }
  return done;
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string read_file(const std::string& path) {
  Descriptor descriptor(path, O_RDONLY);
  if (!descriptor.is_open()) user_error("Cannot read '{}': {}.", path, reason());
  std::string bytes;
  size_t used = 0;
  while (true) {
    constexpr size_t kChunk = 1 << 16;
    if (bytes.size() - used < kChunk) bytes.resize(std::max(bytes.size() * 2, used + kChunk));
    ssize_t count = ::read(descriptor.get(), bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) user_error("Cannot read '{}': {}.", path, reason());
    if (count == 0) break;
    used += static_cast<size_t>(count);
  }
  bytes.resize(used);
  return bytes;
}

AtomicFile::AtomicFile(const std::string& path) : path_(path), aside_(fmt::format("{}.partial-{}", path, getpid())) {
  descriptor_ = open(aside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail();
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!is_committed_) unlink(aside_.c_str());
}

void AtomicFile::fail() const {
  user_error("Cannot write '{}': {}.", path_, reason());
}

void AtomicFile::write(std::string_view bytes) {
  if (!write_all(descriptor_, bytes)) fail();
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0) fail();
  // Some file systems report a failed write only here. The descriptor is gone in any case.
  if (close(std::exchange(descriptor_, -1)) != 0) fail();
  if (rename(aside_.c_str(), path_.c_str()) != 0) fail();
  is_committed_ = true;
  sync_folder(folder_of(path_));
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void sync_file(const std::string& path) {
  sync_path(path, O_RDONLY);
}

void sync_folder(const std::string& path) {
  sync_path(path, O_RDONLY | O_DIRECTORY);
}

void rename_synced(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) user_error("Cannot rename '{}' to '{}': {}.", from, to, reason());
  sync_folder(folder_of(to));
  if (folder_of(from) != folder_of(to)) sync_folder(folder_of(from));
}

}  // namespace usam
