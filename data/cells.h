#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/plan.h"
#include "data/sizes.h"

namespace usam::data {

// The rows of a source, grouped by size: rows of one cell lie within 15 % of each other, in seconds and, where
// data.batch has tokens, in tokens. Cells stand in the order of their seconds, those of equal seconds in turn with
// rising and with falling tokens, so that neighbours are alike. Made once for all epochs, by counting; four bytes a
// row.
class Cells {
 public:
  // UserError: see Sizes::of; more rows than 2^31 - 1.
  Cells(const Source& source, const PlanOptions& options);

  int64_t size() const { return static_cast<int64_t>(sizes_.size()); }
  int64_t shares() const { return shares_; }
  // The size that has room for every row of a cell.
  const RowSize& row_size(int64_t cell) const { return sizes_[static_cast<size_t>(cell)]; }
  // The rows of a share that are in a cell, in the source's order.
  std::span<const int32_t> rows(int64_t cell, int64_t share) const {
    const auto i = static_cast<size_t>(cell * shares_ + share);
    return {order_.data() + first_[i], static_cast<size_t>(first_[i + 1] - first_[i])};
  }
  // Rows of a share that are left out because of their length.
  int64_t too_long(int64_t share) const { return too_long_[static_cast<size_t>(share)]; }

 private:
  int64_t shares_;
  std::vector<RowSize> sizes_;
  std::vector<int64_t> first_;  // of each share in each cell, and the end
  std::vector<int32_t> order_;
  std::vector<int64_t> too_long_;
};

}  // namespace usam::data
