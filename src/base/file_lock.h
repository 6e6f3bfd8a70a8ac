#pragma once
#include <string>

namespace usam {

// A file that one process at a time holds. Where it cannot be made, or its file system has no locks, nobody is kept
// out.
class FileLock {
 public:
  enum class AtEnd { kKeepFile, kRemoveFile };
  explicit FileLock(AtEnd at_end) : at_end_(at_end) {}
  ~FileLock() { release(); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  // Gives back what it held and takes this file, which is made where it is absent. False where another process holds
  // it.
  bool try_take(const std::string& path);
  // The file's content, for those who find it held.
  void write(const std::string& text);
  void release();

 private:
  AtEnd at_end_;
  std::string path_;
  int file_ = -1;
};

}  // namespace usam
