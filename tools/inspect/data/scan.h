#pragma once
// One pass over the rows of manifests: what they hold, and what can be said against them.
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/source.h"
#include "tools/inspect/data/audio_check.h"
#include "tools/inspect/data/findings.h"
#include "tools/inspect/data/label_check.h"

namespace usam::inspect {

// The task of rows that name none, where no config does.
inline constexpr const char* kNoTask = "(none)";

struct ScanOptions {
  AudioDepth depth = AudioDepth::kHeaders;
  int64_t threads = 1;
};

// A manifest to be inspected.
struct ScanInput {
  std::string set;  // "data.train", or "" of a manifest by itself
  std::string path;
  std::shared_ptr<const data::Source> source;
  std::vector<std::string> refused;  // lines that cannot be used, as sentences; the first of them
  int64_t refused_count = 0;
};

struct Amount {
  int64_t rows = 0;
  double seconds = 0;
};
using Amounts = std::map<std::string, Amount>;

// What one manifest holds.
struct Scan {
  ScanInput input;
  Amounts tasks, languages, rates, channels, formats;
  std::map<std::string, int64_t> tags;
  std::vector<float> lengths;                                       // of the rows whose length is known, in seconds
  std::map<std::pair<std::string, std::string>, LabelSums> labels;  // by task and language
  std::vector<Finding> findings;                                    // ascending by row
  std::array<int64_t, kKinds> counts{};                             // of findings
  std::map<int64_t, double> measured;                               // lengths where the manifest has another
  AudioDepth depth = AudioDepth::kNone;

  int64_t rows() const { return input.source ? input.source->size() : 0; }
  double seconds() const;
  // Rows with a finding that is, or is not, a reason for --fix to leave them out.
  int64_t rows_found(bool is_rejected) const;
};

// Scans manifests one after the other, remembering recordings, so that those that stand twice are found. Rows are
// examined by several threads, a few at a time; what is kept is some 50 bytes a row, and the findings.
class Scanner {
 public:
  explicit Scanner(ScanOptions options) : options_(options) {}
  Scan scan(ScanInput input);

 private:
  struct Examined {
    data::Row row;
    AudioFacts facts;
    std::vector<std::string> label_oddities;
  };
  struct Heard {
    uint64_t content;  // hash of task, prompt and label
    uint64_t task;
    std::string set;
    std::string place;
  };
  static Examined examine(const data::Source& source, int64_t index, AudioDepth depth);
  void take(Scan& scan, int64_t index, const Examined& examined);
  void take_audio(Scan& scan, int64_t index, const Examined& examined);
  void compare_audio(Scan& scan, int64_t index, const Examined& examined);

  ScanOptions options_;
  std::unordered_map<uint64_t, std::vector<Heard>> heard_;  // by the samples' hash
};

// What labels of one task look like in one manifest and unlike in another: sentences about whole manifests.
std::vector<std::string> style_differences(const std::vector<Scan>& scans);

}  // namespace usam::inspect
