#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/index_columns.h"

namespace usam::data {

// Grows a column: in memory first, in a file without a name once it is told of a folder. A disk that cannot take it
// costs nothing but memory.
class Spool {
 public:
  Spool() = default;
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  void add(const void* bytes, size_t count);
  // From now on what was added goes to a file in this folder.
  void use_folder(const std::string& folder);
  // All that was added, as elements of this type; an undefined tensor where all bytes are zero. Ends the spool.
  torch::Tensor finish(torch::ScalarType type);

 private:
  void flush();

  std::string pending_;
  int file_ = -1;
  size_t written_ = 0;
  bool is_zero_ = true;
};

// Collects the rows of a source (index.h) and makes an index of them.
class ColumnBuilder final : public IndexBuilder {
 public:
  // `on_many` is called once, when there are kMinStoredRows rows: the folder for what grows, or "" for memory.
  ColumnBuilder(const IndexRequest& request, std::function<std::string()> on_many);
  void add(const IndexRecord& record) override;
  void refuse(int32_t file, int64_t line, const std::string& sentence) override;
  void progress(int64_t done, int64_t total) override;
  // The index of all rows but those whose key stands in an earlier one. What was refused goes to `problems`, in the
  // order of files and lines. False in `is_whole` where anything was.
  std::shared_ptr<Index::State> finish(ManifestProblems& problems, bool& is_whole);

 private:
  struct Refused {
    int32_t file;
    int64_t line;
    std::string sentence;
  };
  using Clock = std::chrono::steady_clock;

  int16_t task_number(const IndexRecord& record);
  std::vector<int64_t> repeated_keys(const std::shared_ptr<Index::State>& state);

  const IndexRequest& request_;
  std::function<std::string()> on_many_;
  std::array<Spool, kColumns> spools_;
  std::vector<IndexTask> tasks_;
  std::unordered_map<std::string, int16_t> task_numbers_;
  std::vector<Refused> refused_;
  int64_t rows_ = 0, refused_count_ = 0, names_bytes_ = 0, unmeasured_ = 0;
  Clock::time_point begin_ = Clock::now(), told_ = begin_;
};

}  // namespace usam::data
