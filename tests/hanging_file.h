#pragma once
// A file whose reader hangs, as on a disk that does not answer.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace usam::test {

// Makes opening a file hang while this lives (for 45 s, /proc/sys/fs/lease-break-time): it holds a lease.
class HangingFile {
 public:
  explicit HangingFile(const std::string& path) : descriptor_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    std::signal(SIGIO, SIG_IGN);  // the kernel's wish that the lease be given back
    hangs_ = fcntl(descriptor_, F_SETLEASE, F_WRLCK) == 0;
  }
  ~HangingFile() { close(descriptor_); }
  HangingFile(const HangingFile&) = delete;
  HangingFile& operator=(const HangingFile&) = delete;
  bool hangs() const { return hangs_; }

 private:
  int descriptor_;
  bool hangs_;
};

}  // namespace usam::test
