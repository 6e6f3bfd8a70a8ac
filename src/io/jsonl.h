#pragma once
#include <functional>
#include <string>

#include "src/base/json.h"

namespace usam::io {

// Appends JSON values to a file, a line each, written at once: a reader never sees half a line but after a crash or on
// a full disk. The file is made when absent; a last line without its end (a crash) is cut off first. UserError names
// the path; what could not be written is kept and goes before what is written next.
class JsonLinesWriter {
 public:
  explicit JsonLinesWriter(const std::string& path);
  ~JsonLinesWriter();
  JsonLinesWriter(const JsonLinesWriter&) = delete;
  JsonLinesWriter& operator=(const JsonLinesWriter&) = delete;
  // Numbers that JSON cannot hold (NaN, infinity) are written as null, bytes that are not UTF-8 as U+FFFD.
  void write(const Json& row);
  // Writes what was kept, and makes all lines survive a power cut.
  void sync();

 private:
  void write_pending();

  std::string path_, pending_;
  int descriptor_ = -1;
};

// Keeps the rows of a JSON lines file for which `keep` is true, and drops a last line without its end; the rewrite is
// whole or absent. Returns the number of rows dropped (0 for an absent file). Used on resume to cut metrics.jsonl to
// the checkpoint's step. UserError with file and line for a row that is not JSON, or that `keep`
// cannot read (Json::exception).
int64_t cut_after(const std::string& path, const std::function<bool(const Json&)>& keep);

}  // namespace usam::io
