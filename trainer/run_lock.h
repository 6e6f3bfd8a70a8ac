#pragma once
#include <string>

#include "src/base/file_lock.h"

namespace usam {

// Keeps a second trainer out of a run's folder while it lives, through RUN/ranks/lock. On file systems without locks it
// keeps nobody out.
class RunLock {
 public:
  // Makes the folder where it is absent. False where another process trains there; take() then throws a UserError that
  // names it.
  bool try_take(const std::string& run);
  void take(const std::string& run);

 private:
  FileLock lock_{FileLock::AtEnd::kKeepFile};
};

}  // namespace usam
