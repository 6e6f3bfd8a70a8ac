#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace usam::data {

// One sample of a manifest, as plain metadata: nothing is decoded yet.
struct Row {
  std::string key;                      // unique in the run
  std::string audio;                    // absolute path
  std::string task;                     // "ASR", "SEC", ...
  std::string prompt;                   // the row's own prompt, or empty: the task's
  std::vector<std::string> references;  // the label; several where the label holds TABs
  std::vector<std::string> tags;        // scored as mAP beside the task's own metric
  double seconds = -1;                  // from the manifest, or read from the file's header when the source was opened
  bool is_part = false;                 // of its file: the `seconds` from `offset` on, as a clip of its own
  double offset = 0;                    // in seconds
  int64_t source = 0;                   // index of the manifest in the config's list
  int64_t line = 0;                     // 1-based line in it
};

// One appearance of a row in an epoch; `copy` counts the appearances of one row when its weight is above 1.
struct Visit {
  int64_t row = 0;
  int64_t copy = 0;
  bool operator==(const Visit&) const = default;
};

// A set of rows with random access by index. Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t size() const = 0;
  virtual Row row(int64_t index) const = 0;
  virtual double seconds(int64_t index) const = 0;  // duration alone, without building the row
  virtual std::string name() const = 0;             // for messages: the manifest's path
  // Where a row stands, for messages: `manifest:line`.
  virtual std::string place(int64_t index) const { return name() + ":" + std::to_string(row(index).line); }
  // The rows of an epoch in the source's own order: each row once, unless the source weights its rows.
  virtual std::vector<Visit> visits(uint64_t /*seed*/, int64_t /*epoch*/) const {
    std::vector<Visit> all(static_cast<size_t>(size()));
    for (int64_t i = 0; i < size(); ++i) all[static_cast<size_t>(i)].row = i;
    return all;
  }
};

}  // namespace usam::data
