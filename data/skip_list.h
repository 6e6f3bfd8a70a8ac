#pragma once
#include <cstdint>
#include <functional>
#include <set>
#include <string>

namespace usam::data {

// A sample that was left out, and why.
struct Skipped {
  std::string key;
  std::string file;
  std::string reason;
};

// `{"key", "file", "reason"}` as one line of JSON, without its newline.
std::string to_json_line(const Skipped& skipped);

// Notes the samples that could not be read (data.on_error: skip) and stops the run when they are too many. Used by the
// thread that consumes batches only, so the order is that of the batches.
class SkipList {
 public:
  using Write = std::function<void(const Skipped&)>;
  // `write` gets each key once; append_to() below writes RUN/skipped.jsonl.
  SkipList(double max_share, Write write);

  // `count`: samples skipped so far in this epoch, this one included, of `rows`. Throws UserError, with the count and
  // the file, when that is more than max_share.
  void add(const Skipped& skipped, int64_t count, int64_t rows);

  // A writer that appends a line to a file, which it makes at the first one.
  static Write append_to(const std::string& path);

 private:
  double max_share_;
  Write write_;
  std::set<std::string> keys_;
};

}  // namespace usam::data
