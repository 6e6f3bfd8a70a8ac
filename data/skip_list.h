#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "data/batch.h"

namespace usam::data {

// `{"key", "file", "reason"}` as one line of JSON, without its newline.
std::string to_json_line(const Skipped& skipped);

// Notes the samples that could not be read (data.on_error: skip) and says when they are too many. Samples are
// added by the thread that consumes batches, in their order; recordings for augmentation by loader threads.
class SkipList {
 public:
  using Write = std::function<void(const Skipped&)>;
  // `write` gets each key once; append_to() below writes RUN/skipped.jsonl.
  SkipList(double max_share, Write write);

  void add(const Skipped& skipped);
  // Whether so many of an epoch's rows, over all ranks, may be skipped; check() throws a UserError if not.
  bool allows(int64_t count, int64_t rows) const;
  void check(int64_t count, int64_t rows, const Skipped& last) const;

  // A writer that appends a line to a file, which it makes at the first one. Where that fails (a full disk), it warns
  // once and goes on.
  static Write append_to(const std::string& path);

 private:
  double max_share_;
  Write write_;
  std::mutex mutex_;  // guards keys_ and write_
  std::set<std::string> keys_;
};

}  // namespace usam::data
