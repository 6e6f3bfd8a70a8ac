#pragma once
#include <string>

namespace usam {

// Keeps a second trainer out of a run's folder while it lives, through RUN/ranks/lock. On file systems without locks it
// keeps nobody out.
class RunLock {
 public:
  RunLock() = default;
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  // Makes the folder where it is absent. UserError that names the process that trains there.
  void take(const std::string& run);

 private:
  int file_ = -1;
};

}  // namespace usam
