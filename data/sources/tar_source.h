#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "data/sources/indexed.h"
#include "data/sources/tar_scan.h"
#include "src/base/error.h"
#include "src/base/thread.h"

namespace usam::data {

// A row whose recording is a member of a tar, as a format's reader finds it; `row.wavs` is not looked at.
struct TarRow {
  ManifestLine row = {};  // its key is empty where it has none of its own: then it is `name`,
  std::string name = {};  // preceded by its tar's ("shard-000001/name") where an earlier row has that one
  TarMember member = {};  // the recording
  int32_t tar = 0;        // in TarFormat::files
  int32_t file = 0;       // with `line`: where the row stands, for messages
  int64_t line = 0;
};

// Takes what a format's reader finds.
class TarRows {
 public:
  TarRows(IndexBuilder& builder, const std::vector<std::string>& files) : builder_(builder), files_(files) {}
  void add(TarRow row);
  // A row or member that cannot be used; line 0: not of a line, but of the file.
  void refuse(int32_t file, int64_t line, const std::string& sentence) { builder_.refuse(file, line, sentence); }
  // The same for an exception's message, which begins with the file's name.
  void refuse(int32_t file, const UserError& error);
  void progress(int64_t done, int64_t total) { builder_.progress(done, total); }
  int64_t renamed() const { return renamed_; }

 private:
  IndexBuilder& builder_;
  const std::vector<std::string>& files_;
  std::unordered_set<uint64_t> names_;
  int64_t renamed_ = 0;
};

// A kind of tar shards.
struct TarFormat {
  std::string reader;              // its name and version, and what it was told
  std::vector<std::string> files;  // the tars and whatever else its rows are read from
  std::function<void(TarRows&)> read;
};

// Rows with recordings in tars. The shards are read once, for the index, which then holds the rows whole; what is read
// later is the recordings, by their positions.
class TarSource final : public IndexedSource {
 public:
  // What is wrong is added to `problems`, a UserError of `format` too; adds itself to `seen`.
  static std::shared_ptr<TarSource> open(const ManifestConfig& config, const std::function<TarFormat()>& format,
                                         const ManifestOptions& options, SeenKeys& seen, ManifestProblems& problems);

 protected:
  Row row_at(const Index& index, int64_t row) const override;

 private:
  using IndexedSource::IndexedSource;
};

// An exception's message without the file's name that it begins with.
std::string without_name(std::string_view message, const std::string& file);

int64_t total_bytes(const std::vector<std::string>& files);
int64_t scan_threads();

// Runs `scan` for the tars of a list, several at a time, and gives the results to `take` in the tars' order; number i
// stands for TarFormat::files[i]. A scan's UserError becomes a refusal of its tar, so that all that are wrong are told
// at once.
template <class T>
void scan_tars(const std::vector<std::string>& tars, TarRows& rows, const std::function<T(int32_t)>& scan,
               const std::function<void(int32_t, T&)>& take) {
  struct Scanned {
    T found;
    std::optional<UserError> problem;
  };
  const int64_t total = total_bytes(tars);
  int64_t done = 0;
  OrderedStream<Scanned> stream(scan_threads(), 2 * scan_threads(), [&](int64_t i) -> std::optional<Scanned> {
    if (i >= std::ssize(tars)) return std::nullopt;
    try {
      return Scanned{scan(static_cast<int32_t>(i)), std::nullopt};
    } catch (const UserError& e) {
      return Scanned{{}, e};
    }
  });
  for (int32_t i = 0; auto scanned = stream.next(); ++i) {
    if (scanned->problem)
      rows.refuse(i, *scanned->problem);
    else
      take(i, scanned->found);
    rows.progress(done += total_bytes({tars[static_cast<size_t>(i)]}), total);
  }
}

// The lines of a text file, .gz or plain, that are not blank, with their numbers from 1. UserError that names the file.
void read_lines(const std::string& path, const std::function<void(int64_t, std::string_view)>& use);

}  // namespace usam::data
