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
// Writes a sibling, syncs it and renames it over `path`: readers see the old bytes or the new ones, never a part.
void write_file_atomically(const std::string& path, const std::string& bytes);
// Makes a file's bytes survive a power cut.
void sync_file(const std::string& path);
// Makes the names in a folder survive a power cut: its new files, and renames into and out of it.
void sync_folder(const std::string& path);
// Renames a file or folder in one step and syncs the folders concerned. A folder is only put where nothing is, or over
// an empty one.
void rename_synced(const std::string& from, const std::string& to);

}  // namespace usam
