#include "data/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace usam::data {
namespace {

double with_square(double length, const std::optional<double>& quadratic) {
  return quadratic ? length + length * length / *quadratic : length;
}

// The most rows of which `each` times their number is within `limit`, in floating-point numbers too.
int64_t quotient(double limit, double each) {
  if (each <= 0) return std::numeric_limits<int64_t>::max();
  auto rows = static_cast<int64_t>(std::min(limit / each, 1e15));
  while (each * static_cast<double>(rows + 1) <= limit) ++rows;
  while (rows > 0 && each * static_cast<double>(rows) > limit) --rows;
  return rows;
}

}  // namespace

RowSize cover(const RowSize& a, const RowSize& b) {
  return {std::max(a.seconds, b.seconds), std::max(a.tokens, b.tokens)};
}

double Budget::counted_seconds(double seconds) const {
  return with_square(seconds, config_.quadratic_seconds);
}

double Budget::counted_tokens(int64_t tokens) const {
  return with_square(static_cast<double>(tokens), config_.quadratic_tokens);
}

int64_t Budget::rows_for(const RowSize& size) const {
  int64_t rows = config_.rows.value_or(std::numeric_limits<int64_t>::max());
  if (config_.seconds) rows = std::min(rows, quotient(*config_.seconds, counted_seconds(size.seconds)));
  if (config_.tokens)
    rows = std::min(rows, quotient(static_cast<double>(*config_.tokens), counted_tokens(size.tokens)));
  return rows;
}

double Budget::cost(int64_t rows, const RowSize& size) const {
  const auto count = static_cast<double>(rows);
  if (!config_.seconds && !config_.tokens) return count * counted_seconds(size.seconds);
  double cost = 0;
  if (config_.seconds) cost = count * counted_seconds(size.seconds) / *config_.seconds;
  if (config_.tokens) cost = std::max(cost, count * counted_tokens(size.tokens) / static_cast<double>(*config_.tokens));
  return cost;
}

std::string Budget::problem(int64_t rows, const RowSize& size) const {
  const std::string of_rows = rows == 1 ? "that is" : fmt::format("{} rows of its micro-batch make that", rows);
  if (config_.seconds && quotient(*config_.seconds, counted_seconds(size.seconds)) < rows)
    return fmt::format("it has {:.2f} s, not what the manifest says, and {} more than data.batch.seconds = {}",
                       size.seconds, of_rows, *config_.seconds);
  if (config_.tokens && quotient(static_cast<double>(*config_.tokens), counted_tokens(size.tokens)) < rows)
    return fmt::format("it has {} tokens, and {} more than data.batch.tokens = {}", size.tokens, of_rows,
                       *config_.tokens);
  return "";
}

}  // namespace usam::data
