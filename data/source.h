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
  int64_t source = 0;                   // index of the manifest in the config's list
  int64_t line = 0;                     // 1-based line in it
};

// A set of rows with random access by index. Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t size() const = 0;
  virtual Row row(int64_t index) const = 0;
  virtual double seconds(int64_t index) const = 0;  // duration alone, without building the row
  virtual std::string name() const = 0;  // for messages: the manifest's path
};

}  // namespace usam::data
