#include "data/skip_list.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "src/base/error.h"
#include "src/base/json.h"
#include "src/base/log.h"

namespace usam::data {

std::string to_json_line(const Skipped& skipped) {
  const Json line = {{"key", skipped.key}, {"file", skipped.file}, {"reason", skipped.reason}};
  return to_line(line);  // a path need not be UTF-8
}

SkipList::SkipList(double max_share, Write write) : max_share_(max_share), write_(std::move(write)) {}

void SkipList::add(const Skipped& skipped) {
  const std::lock_guard lock(mutex_);
  if (keys_.insert(skipped.key).second && write_) write_(skipped);
}

bool SkipList::allows(int64_t count, int64_t rows) const {
  return static_cast<double>(count) <= max_share_ * static_cast<double>(rows);
}

void SkipList::check(int64_t count, int64_t rows, const Skipped& last) const {
  if (allows(count, rows)) return;
  user_error(
      "{} of the epoch's {} samples could not be used, more than data.max_skipped = {} allows; the last is '{}': {}. "
      "Mend or remove what skipped.jsonl lists, or raise data.max_skipped",
      count, rows, max_share_, last.key, last.reason);
}

// A full disk must not end a run that can do without the list: what is lost is said once, and no line is left half
// written.
SkipList::Write SkipList::append_to(const std::string& path) {
  return [path, is_told = false](const Skipped& skipped) mutable {
    std::error_code is_new, ignored;
    const auto size = std::filesystem::file_size(path, is_new);
    std::ofstream file(path, std::ios::app);
    file << to_json_line(skipped) << '\n';
    if (file.flush()) return;
    const int reason = errno;
    file.close();
    if (!is_new) std::filesystem::resize_file(path, size, ignored);
    if (std::exchange(is_told, true)) return;
    log::warn(
        "{}: cannot be written to: {}; samples that cannot be used are counted, but those that find no place here are "
        "not listed; the first is '{}': {}",
        path, std::strerror(reason), skipped.key, skipped.reason);
  };
}

}  // namespace usam::data
