#include "data/plan.h"

#include <algorithm>
#include <cmath>

#include "data/permutation.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr size_t kWindow = 4096;  // visits that are sorted by length together
const double kLengthStep = std::log(1.15);

struct Item {
  Visit visit;
  double seconds;
};

int64_t length_class(double seconds) {
  return std::lround(std::floor(std::log(std::max(seconds, 1e-3)) / kLengthStep));
}

[[noreturn]] void refuse_long(const Source& source, const std::vector<Visit>& visits, double max_seconds) {
  int64_t count = 0;
  const Visit* first = nullptr;
  for (const Visit& visit : visits) {
    if (visit.copy > 0 || source.seconds(visit.row) <= max_seconds + kLengthTolerance) continue;
    if (count++ == 0) first = &visit;
  }
  const Row row = source.row(first->row);
  user_error(
      "{}: clip '{}' has {:.2f} s, more than data.max_seconds = {} ({} such clip{}); set data.long_audio to truncate "
      "or "
      "drop, or raise data.max_seconds",
      source.place(first->row), row.key, row.seconds, max_seconds, count, count == 1 ? "" : "s");
}

// The epoch's visits with their planned seconds, without those that are dropped.
std::vector<Item> collect(const Source& source, const PlanOptions& options, int64_t epoch, EpochPlan& plan) {
  const std::vector<Visit> visits =
      options.is_weighted ? source.visits(options.seed, epoch) : source.Source::visits(options.seed, epoch);
  std::vector<Item> items;
  items.reserve(visits.size());
  for (const Visit& visit : visits) {
    const double seconds = source.seconds(visit.row);
    if (seconds > options.max_seconds + kLengthTolerance && options.long_audio != LongAudio::kTruncate) {
      if (options.long_audio == LongAudio::kError) refuse_long(source, visits, options.max_seconds);
      ++plan.too_long;
      continue;
    }
    items.push_back({visit, planned_seconds(seconds, options)});
    if (options.batch.seconds && items.back().seconds > *options.batch.seconds) {
      const Row row = source.row(visit.row);
      user_error(
          "{}: clip '{}' takes {:.2f} s, more than data.batch.seconds = {}; raise that or lower data.max_seconds",
          source.place(visit.row), row.key, items.back().seconds, *options.batch.seconds);
    }
  }
  if (items.empty())
    user_error("{}: nothing is left of epoch {}: {} of {} clips are longer than data.max_seconds = {}", source.name(),
               epoch, plan.too_long, visits.size(), options.max_seconds);
  return items;
}

void sort_windows(std::vector<Item>& items) {
  for (size_t begin = 0; begin < items.size(); begin += kWindow) {
    const auto first = items.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = items.begin() + static_cast<std::ptrdiff_t>(std::min(begin + kWindow, items.size()));
    std::stable_sort(first, last,
                     [](const Item& a, const Item& b) { return length_class(a.seconds) < length_class(b.seconds); });
  }
}

// Where micro-batches begin when items are taken in order until the budget is full, and the end.
std::vector<size_t> cut(const std::vector<Item>& items, const BudgetConfig& budget) {
  std::vector<size_t> begins{0};
  double longest = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    const double with = std::max(longest, items[i].seconds);
    const auto rows = static_cast<int64_t>(i - begins.back()) + 1;
    const bool is_full =
        (budget.seconds && with * static_cast<double>(rows) > *budget.seconds) || (budget.rows && rows > *budget.rows);
    if (is_full && rows > 1) begins.push_back(i);
    longest = is_full ? items[i].seconds : with;
  }
  if (!items.empty()) begins.push_back(items.size());
  return begins;
}

}  // namespace

double planned_seconds(double seconds, const PlanOptions& options) {
  const double used = std::min(seconds, options.max_seconds);
  return std::max(std::min(used / std::min(options.slowest_speed, 1.0), options.max_seconds), options.min_seconds);
}

EpochPlan plan_epoch(const Source& source, const PlanOptions& options, int64_t epoch) {
  EpochPlan plan;
  std::vector<Item> items = collect(source, options, epoch, plan);
  const DrawKey key = draw_key(options.seed, "plan", static_cast<uint64_t>(epoch));
  if (options.shuffle) {
    shuffle(items, key.with("rows"));
    sort_windows(items);
  }
  const std::vector<size_t> begins = cut(items, options.batch);
  std::vector<int64_t> order(begins.size() - 1);
  std::iota(order.begin(), order.end(), 0);
  if (options.shuffle) shuffle(order, key.with("micro-batches"));

  plan.begins.push_back(0);
  plan.visits.reserve(items.size());
  for (const int64_t index : order) {
    const auto i = static_cast<size_t>(index);
    for (size_t at = begins[i]; at < begins[i + 1]; ++at) plan.visits.push_back(items[at].visit);
    plan.begins.push_back(plan.visits.size());
  }
  return plan;
}

}  // namespace usam::data
