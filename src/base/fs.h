#pragma once
// Files that are whole or absent, whatever the power does. Every error is a UserError that names the path and the
// system's reason.
#include <cstdint>
#include <string>
#include <string_view>

namespace usam {

// As many of an open file's bytes from `at` on as are there, up to `count`; -1, with errno, where the disk fails.
int64_t read_at(int file, void* to, int64_t count, int64_t at);
// Writes all of the bytes to an open file; false, with errno, where the disk fails.
bool write_all(int file, std::string_view bytes);
// The bytes of a file.
std::string read_file(const std::string& path);
// A file that is whole or absent: bytes go to a sibling, `commit` syncs it and renames it over `path`, so that readers
// see the old bytes or the new ones, never a part. Without a commit (an exception on the way, a full disk) the sibling
// is removed and what `path` held stays.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(std::string_view bytes);
  void commit();

 private:
  [[noreturn]] void fail() const;

  std::string path_, aside_;
  int descriptor_ = -1;
  bool is_committed_ = false;
};
// An AtomicFile of these bytes.
void write_file_atomically(const std::string& path, std::string_view bytes);
// Makes a file's bytes survive a power cut.
void sync_file(const std::string& path);
// Makes the names in a folder survive a power cut: its new files, and renames into and out of it.
void sync_folder(const std::string& path);
// Renames a file or folder in one step and syncs the folders concerned. A folder is only put where nothing is, or over
// an empty one.
void rename_synced(const std::string& from, const std::string& to);

}  // namespace usam
