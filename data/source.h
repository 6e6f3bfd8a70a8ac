#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/text.h"

namespace usam::data {

// Where a recording is: a file, a member of a tar, or a stretch in time of one of them.
struct AudioRef {
  std::string path;              // absolute; of the tar, for a member
  std::string member = {};       // its name in the tar; empty: the file itself
  int64_t begin = 0, bytes = 0;  // where the member's bytes are in the tar
  bool is_part = false;          // only what is heard from `offset` on, as a clip of its own
  double offset = 0;             // in seconds

  // For messages: the path, and of a member its name: "shard-000.tar: a/b.flac".
  std::string shown() const { return printable(member.empty() ? path : path + ": " + member); }
};

// One sample of a manifest, as plain metadata: nothing is decoded yet.
struct Row {
  std::string key;                      // unique in the run
  std::vector<AudioRef> audios;         // in the order in which the prompt has them; one at least
  std::string task;                     // "ASR", "SEC", ...
  std::string prompt;                   // the row's own prompt, or empty: the task's
  std::vector<std::string> references;  // the label; several where the label holds TABs
  std::vector<std::string> tags;        // scored as mAP beside the task's own metric
  double seconds = -1;  // of the manifest, or of the file's header when the source was opened; -1: unknown
  std::string extra;    // what else the manifest says of it ("lang", "spk", ...): a JSON map, or empty
  int64_t source = 0;   // index of the manifest in the config's list
  int64_t line = 0;     // 1-based line in it

  const AudioRef& audio() const { return audios.at(0); }
  AudioRef& audio() { return audios.at(0); }
};

// One appearance of a row in an epoch; `copy` counts the appearances of one row when its weight is above 1.
struct Visit {
  int64_t row = 0;
  int64_t copy = 0;
  bool operator==(const Visit&) const = default;
};

// Rows that follow one another in a source and are seen equally often: `weight` times an epoch on average.
struct Share {
  int64_t begin = 0, end = 0;
  double weight = 1;
  std::string name;  // for people

  int64_t rows() const { return end - begin; }
};

// A set of rows with random access by index. Thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual int64_t size() const = 0;
  virtual Row row(int64_t index) const = 0;
  virtual double seconds(int64_t index) const = 0;  // duration alone, without building the row
  // Bytes of the row's own prompt and its longest reference, without building the row where that can be helped.
  virtual int64_t text_bytes(int64_t index) const;
  virtual std::string name() const = 0;  // for messages: the manifest's path
  // Where a row stands, for messages: `manifest:line`.
  virtual std::string place(int64_t index) const { return name() + ":" + std::to_string(row(index).line); }
  // The rows in stretches one after the other, each with a weight of its own.
  virtual std::vector<Share> shares() const { return {{0, size(), 1, name()}}; }
};

inline int64_t Source::text_bytes(int64_t index) const {
  const Row of = row(index);
  size_t longest = 0;
  for (const std::string& reference : of.references) longest = std::max(longest, reference.size());
  return static_cast<int64_t>(of.prompt.size() + longest);
}

}  // namespace usam::data
