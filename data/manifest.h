#pragma once
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/index.h"
#include "data/source.h"

namespace usam::data {

// Keys seen so far with where they stand, to refuse a key that stands twice; only needed while manifests are opened.
using SeenKeys = std::unordered_map<std::string, std::pair<std::string, int64_t>>;

struct ManifestOptions {
  std::set<std::string> tasks;  // the tasks that rows may name; empty: any. A row with its own prompt may name any.
  int64_t source = 0;           // becomes Row::source
};

// A JSONL manifest, mapped into memory: one JSON object a line (see manifest_line.h), blank lines ignored, CRLF and a
// UTF-8 byte order mark accepted. Rows are parsed again when they are asked for; only offsets and durations are kept.
class Manifest final : public Source {
 public:
  // Opens and checks a manifest. Every line that cannot be used is added to `problems` as `file:line: sentence`, and so
  // is a file that cannot be read or holds no row. A row without `dur` gets its file's length from the header, from
  // `offset` on; where that cannot be read it counts as 0 s, and decoding it will say why. A `dur` of 0 is accepted
  // here and refused when the sample is read, so that one such row falls under data.on_error.
  static std::shared_ptr<Manifest> open(const std::string& path, const ManifestOptions& options, SeenKeys& seen,
                                        ManifestProblems& problems);
  // The same for one manifest by itself; throws UserError with all its problems.
  static std::shared_ptr<Manifest> open(const std::string& path, const ManifestOptions& options = {});

  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  Row row(int64_t index) const override;
  double seconds(int64_t index) const override { return entries_.at(static_cast<size_t>(index)).seconds; }
  std::string name() const override { return path_; }

 private:
  struct Entry {
    uint64_t offset;
    uint32_t bytes;
    uint32_t line;
    double seconds;
  };
  class Mapping;

  Manifest(std::string path, int64_t source);
  void index_lines(const ManifestOptions& options, SeenKeys& seen, ManifestProblems& problems);
  bool add_line(std::string_view text, int64_t line, const ManifestOptions& options, SeenKeys& seen,
                ManifestProblems& problems);
  std::string audio_path(const std::string& wav) const;
  void measure_missing();

  std::string path_, folder_;
  int64_t source_;
  std::shared_ptr<Mapping> mapping_;
  std::vector<Entry> entries_;
};

// What is wrong with the audio of a source, a sentence a row (`file:line: key: reason`): every header is opened, and
// the duration compared with the manifest's (more than 0.1 s and 5 % apart is reported; of a part, that it ends so much
// behind its file). For --validate and usam-inspect.
std::vector<std::string> check_audio(const Source& source, int64_t at_most = 100);

}  // namespace usam::data
