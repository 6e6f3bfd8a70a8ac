#pragma once
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/index.h"
#include "data/manifest_line.h"
#include "data/source.h"

namespace usam::data {

class SeenKeys;

// What a source is opened with beside its entry in the config.
struct ManifestOptions {
  std::set<std::string> tasks;  // the tasks that rows may name; empty: any. A row with its own prompt may name any.
  int64_t source = 0;           // becomes Row::source
  std::string index_dir = "";   // data.index_dir, or empty
};

// A source whose rows stand in an index: what every format of rows has in common.
class IndexedSource : public Source {
 public:
  int64_t size() const final { return index_ ? index_->size() : 0; }
  Row row(int64_t index) const final { return row_at(*index_, index); }
  double seconds(int64_t index) const final { return std::max(index_->seconds(index), 0.0); }
  int64_t text_bytes(int64_t index) const final;
  std::string name() const final { return config_.path.value; }
  std::string place(int64_t index) const final { return index_->place(index); }
  // Valid once the source is open and nothing stood against it.
  const Index& index() const { return *index_; }

 protected:
  IndexedSource(ManifestConfig config, int64_t source);
  // Reads a row again: what the index says and what its text says. UserError where that has changed. Thread-safe.
  virtual Row row_at(const Index& index, int64_t row) const = 0;

  // Opens the index: path, folder, key, check and measure of the request are set here. Adds to `problems` what `build`
  // refuses, keys that stand twice, in here or in a source of `seen`, and rows whose task is missing or unknown.
  void open_rows(IndexRequest request, const ManifestOptions& options, const SeenKeys& seen,
                 ManifestProblems& problems);

  // The row of what a text says: paths, task and prompt as the config has them.
  Row row_of(ManifestLine&& line, const Index& index, int64_t row) const;
  // A path of a row: with its beginning replaced (`prefix`), and relative to `audio_root` or the source's folder.
  std::string audio_path(const std::string& wav) const;
  // What rows call a task, as the run calls it.
  std::string task_name(const std::string& task) const;
  const ManifestConfig& config() const { return config_; }

 private:
  std::vector<int64_t> check(const Index& index, const ManifestOptions& options, const SeenKeys& seen,
                             const IndexRequest::Refuse& refuse) const;
  void measure(Index& index) const;

  friend class SeenKeys;
  ManifestConfig config_;
  std::string folder_;
  int64_t source_;
  std::shared_ptr<Index> index_;
};

// The keys of the sources of a set, which may stand once: by their hashes, compared as texts where those are the same.
class SeenKeys {
 public:
  void add(std::shared_ptr<const IndexedSource> source) { sources_.push_back(std::move(source)); }

 private:
  friend class IndexedSource;
  std::vector<std::shared_ptr<const IndexedSource>> sources_;
};

}  // namespace usam::data
