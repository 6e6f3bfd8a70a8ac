#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/source.h"

namespace usam::recipes {

// Some rows of a source, in the order given.
class Subset final : public data::Source {
 public:
  Subset(std::shared_ptr<const data::Source> source, std::vector<int64_t> rows)
      : source_(std::move(source)), rows_(std::move(rows)) {}

  int64_t size() const override { return std::ssize(rows_); }
  data::Row row(int64_t index) const override { return source_->row(original(index)); }
  double seconds(int64_t index) const override { return source_->seconds(original(index)); }
  std::string name() const override { return source_->name(); }
  std::string place(int64_t index) const override { return source_->place(original(index)); }
  // The row's index in the whole source.
  int64_t original(int64_t index) const { return rows_.at(static_cast<size_t>(index)); }

 private:
  std::shared_ptr<const data::Source> source_;
  std::vector<int64_t> rows_;
};

}  // namespace usam::recipes
