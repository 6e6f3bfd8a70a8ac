#include "data/skip_list.h"

#include <fstream>

#include "src/base/error.h"
#include "src/base/json.h"

namespace usam::data {

std::string to_json_line(const Skipped& skipped) {
  const Json line = {{"key", skipped.key}, {"file", skipped.file}, {"reason", skipped.reason}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);  // a path need not be UTF-8
}

SkipList::SkipList(double max_share, Write write) : max_share_(max_share), write_(std::move(write)) {}

void SkipList::add(const Skipped& skipped) {
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

SkipList::Write SkipList::append_to(const std::string& path) {
  return [path](const Skipped& skipped) {
    std::ofstream file(path, std::ios::app);
    file << to_json_line(skipped) << '\n';
    if (!file.flush()) user_error("{}: cannot be written to", path);
  };
}

}  // namespace usam::data
