#pragma once
#include <string>

namespace usam::io {

// A large file that is whole or absent (for bytes in memory base/fs.h has write_file_atomically): bytes go to a
// sibling, `commit` syncs it and renames it over `path`. Without a commit (an exception on the way, a full disk) the
// sibling is removed and what `path` held stays. Errors are UserErrors that name the path and the system's reason.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* bytes, size_t count);
  void write(const std::string& text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_, aside_;
  int descriptor_ = -1;
  bool is_committed_ = false;
};

}  // namespace usam::io
