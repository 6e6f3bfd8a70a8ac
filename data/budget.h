#pragma once
// What a micro-batch may hold (`data.batch`), and what rows take of it.
#include <cstdint>
#include <optional>
#include <string>

#include "data/config.h"

namespace usam::data {

// What one row takes, as far as metadata tell: seconds of audio, and tokens of the language model's sequence.
struct RowSize {
  double seconds = 0;
  int64_t tokens = 0;  // 0 where data.batch has no `tokens`
};

// The least size that has room for both.
RowSize cover(const RowSize& a, const RowSize& b);

// The cost model: rows times the longest row, in seconds and in tokens; with a quadratic term s + s^2 / Q in place of s
// (what attention over the whole of a long row costs beyond its length), and rows.
class Budget {
 public:
  explicit Budget(const BudgetConfig& config) : config_(config) {}

  bool has_tokens() const { return config_.tokens.has_value(); }
  // What a row of so many seconds, or tokens, counts as.
  double counted_seconds(double seconds) const;
  double counted_tokens(int64_t tokens) const;
  // How many rows of a size fit at most; 0 where one is too much.
  int64_t rows_for(const RowSize& size) const;
  // The share of the budget that rows take, the fullest of what it limits; without `seconds` and `tokens` the padded
  // seconds: for comparisons.
  double cost(int64_t rows, const RowSize& size) const;
  // Why a row that is larger than metadata said cannot take part in a micro-batch of `rows` rows; "" where it can.
  // `tokens` only counts where the budget has them.
  std::string problem(int64_t rows, const RowSize& size) const;

 private:
  BudgetConfig config_;
};

}  // namespace usam::data
