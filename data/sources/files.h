#pragma once
#include <string>
#include <vector>

#include "data/source.h"

namespace usam::data {

// Audio files given by name, all of one task, without labels. Durations come from the files' headers.
class FileList final : public Source {
 public:
  // UserError for a file that cannot be read as audio.
  FileList(const std::vector<std::string>& files, const std::string& task, const std::string& prompt);
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  Row row(int64_t index) const override { return rows_.at(static_cast<size_t>(index)); }
  double seconds(int64_t index) const override { return rows_.at(static_cast<size_t>(index)).seconds; }
  std::string name() const override { return "command line"; }
  std::string place(int64_t index) const override { return row(index).audio().path; }

 private:
  std::vector<Row> rows_;
};

}  // namespace usam::data
