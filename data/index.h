#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace usam::data {

// Collects what is wrong with sources, so that the user sees all of it at once.
class ManifestProblems {
 public:
  void add(std::string problem);
  // So many more, of which only the number is known.
  void add_unnamed(int64_t count) { count_ += count; }
  bool empty() const { return problems_.empty(); }
  // The first 100,000; count() knows of all.
  const std::vector<std::string>& all() const { return problems_; }
  int64_t count() const { return count_; }
  // Throws UserError with the first 20 problems and the number of the others; does nothing where there are none.
  void raise() const;

 private:
  std::vector<std::string> problems_;
  int64_t count_ = 0;
};

// A stretch of one of a source's files.
struct FileSpan {
  int32_t file = 0;  // in the source's list of files
  int64_t begin = 0, bytes = 0;
  bool operator==(const FileSpan&) const = default;
};

// What an index is told of a row.
struct IndexRecord {
  std::string_view key;
  std::string_view task;  // empty: the row names none
  bool has_prompt = false;
  FileSpan text;               // where the row's text stands: a manifest's line, a tar's .json member
  uint32_t check = 0;          // text_check() of that text, so that a file that changes in use is noticed
  int64_t line = 0;            // 1-based line or element in the text's file
  double seconds = -1;         // -1: to be measured
  int64_t label_bytes = 0;     // of the row's own prompt and its longest reference
  FileSpan member;             // the recording in a tar
  std::string_view name = {};  // the recording's name in the tar
};

uint32_t text_check(std::string_view text);
uint64_t key_hash(std::string_view key);

// A task that rows name, once for the rows with a prompt of their own and once for those without.
struct IndexTask {
  std::string task;
  bool has_prompt = false;
  int64_t rows = 0;
  bool operator==(const IndexTask&) const = default;
};

// What is known of a source's rows, as columns: built once by reading all of them, mapped from a file afterwards.
// Thread-safe but for set_seconds. A row's number is checked (std::out_of_range).
class Index {
 public:
  struct State;
  explicit Index(std::shared_ptr<State> state);
  int64_t size() const;
  const std::vector<std::string>& files() const;  // as the request names them
  FileSpan text(int64_t row) const;
  uint32_t check(int64_t row) const;
  int64_t line(int64_t row) const;
  double seconds(int64_t row) const;  // -1: not known
  void set_seconds(int64_t row, double seconds);
  int64_t label_bytes(int64_t row) const;
  FileSpan member(int64_t row) const;
  std::string member_name(int64_t row) const;
  const IndexTask& task(int64_t row) const;
  const std::vector<IndexTask>& tasks() const;  // in the order of their first rows
  int64_t unmeasured() const;                   // rows that had no length when the index was built
  // "file:line", for messages.
  std::string place(int64_t row) const;
  // Hashes of all keys, ascending.
  std::span<const uint64_t> key_hashes() const;
  // The rows whose key has this hash.
  std::vector<int64_t> rows_of(uint64_t key_hash) const;

 private:
  int64_t checked(int64_t row) const;

  std::shared_ptr<State> state_;
};

// Takes the rows of a source while it is read.
class IndexBuilder {
 public:
  virtual ~IndexBuilder() = default;
  // UserError where the columns cannot take it (more than 2^31 rows, 32,767 tasks).
  virtual void add(const IndexRecord& record) = 0;
  // A row that cannot be used, as a sentence; file and line are those of an IndexRecord (line 0: the whole file).
  virtual void refuse(int32_t file, int64_t line, const std::string& sentence) = 0;
  // For the progress in the log: bytes read so far of how many.
  virtual void progress(int64_t done, int64_t total) = 0;
};

struct IndexRequest {
  std::string path;                // the source, for messages and for the index's name
  std::string reader;              // what read the rows, with its version: an index of another reader is built again
  std::vector<std::string> files;  // what was read: an index of files that have changed is built again
  std::string folder;              // data.index_dir, or empty
  // Gives every row to the builder. Exceptions pass through; nothing is stored then.
  std::function<void(IndexBuilder&)> build;
  // A row's key, read again: two keys of one hash are compared.
  std::function<std::string(const Index&, int64_t)> key;
  // What else is wrong with rows (optional), also with those of an index that was found: refuses them (file, line,
  // sentence) and returns their numbers.
  using Refuse = std::function<void(int32_t, int64_t, const std::string&)>;
  std::function<std::vector<int64_t>(const Index&, const Refuse&)> check;
  // Sets the length of rows that have none (optional). What it leaves at -1 is tried again at the next opening.
  std::function<void(Index&)> measure;
  // What the lengths depend on beside the files (folders of audio); other lengths that were measured are measured
  // again.
  std::string measured_under;
};

// Rows below which an index is not worth a file.
constexpr int64_t kMinStoredRows = 10'000;

// The index of a source, from its file or built. The file is `.NAME.usam-index` beside the source, or, where that
// folder cannot be written, NAME-HASH.usam-index in ${XDG_CACHE_HOME:-~/.cache}/usam/index; `folder` overrides both.
// One that is torn, of another version or reader, or of files that have since changed is built again with a line in the
// log; a disk that is full or cannot be written costs the file alone. Where several processes open it, one builds it
// and the others wait. Rows that were refused and keys that stand twice (the later row is left out) are added to
// `problems`, and nothing is stored then.
std::shared_ptr<Index> open_index(const IndexRequest& request, ManifestProblems& problems);

// Where what is derived from a source is kept: full paths of a file with this ending, in order of preference.
std::vector<std::string> index_places(const std::string& path, const std::string& folder, const std::string& ending);

}  // namespace usam::data
