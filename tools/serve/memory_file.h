#pragma once
#include <string>
#include <string_view>

namespace usam::serve {

// Bytes with a path that libraries can open, though no disk holds them: nothing is left behind however the process
// ends.
class MemoryFile {
 public:
  // std::runtime_error with the system's reason.
  explicit MemoryFile(std::string_view bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace usam::serve
