#pragma once
// What index.cpp, index_builder.cpp and index_file.cpp share: the columns themselves.
#include <torch/torch.h>

#include <array>
#include <string>
#include <vector>

#include "data/index.h"

namespace usam::data {

enum Column {
  kTextBegin,
  kTextBytes,
  kTextFile,
  kCheck,
  kLine,
  kSeconds,
  kLabelBytes,
  kTask,  // index into State::tasks
  kMemberBegin,
  kMemberBytes,
  kMemberFile,
  kNameBegin,  // of the member's name in kNames
  kNameBytes,
  kNames,    // all members' names, one after the other: as long as they are, not as there are rows
  kKeyHash,  // ascending
  kKeyRow,   // the row of each hash; rows of one hash ascend
  kColumns
};

struct ColumnKind {
  const char* name;
  torch::ScalarType type;
};

inline constexpr std::array<ColumnKind, kColumns> kColumnKinds = {{
    {"text_begin", torch::kInt64},
    {"text_bytes", torch::kInt32},
    {"text_file", torch::kInt32},
    {"check", torch::kInt32},
    {"line", torch::kInt32},
    {"seconds", torch::kFloat64},
    {"label_bytes", torch::kInt32},
    {"task", torch::kInt16},
    {"member_begin", torch::kInt64},
    {"member_bytes", torch::kInt64},
    {"member_file", torch::kInt32},
    {"name_begin", torch::kInt64},
    {"name_bytes", torch::kInt32},
    {"names", torch::kUInt8},
    {"key_hash", torch::kInt64},
    {"key_row", torch::kInt32},
}};

// A column of zeros alone is absent: an undefined tensor.
struct Index::State {
  int64_t rows = 0, unmeasured = 0;
  std::vector<std::string> files;
  std::vector<IndexTask> tasks;
  std::array<torch::Tensor, kColumns> columns;

  template <class T>
  T at(Column column, int64_t row) const {
    const torch::Tensor& of = columns[column];
    return of.defined() ? static_cast<const T*>(of.const_data_ptr())[row] : T{};
  }
};

}  // namespace usam::data
