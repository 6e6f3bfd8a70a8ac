#include <algorithm>

#include "data/epoch_plans.h"

namespace usam::data {

void Worst::see(int64_t micro_batch, int64_t rows, const RowSize& size) {
  const double cost = budget_.cost(rows, size);
  if (cost > cost_) cost_ = cost, costliest_ = micro_batch;
  const std::pair length{size.seconds, rows};
  if (length > length_) length_ = length, longest_ = micro_batch;
}

std::vector<int64_t> Worst::all() const {
  if (costliest_ < 0) return {};
  return costliest_ == longest_ ? std::vector{costliest_} : std::vector{costliest_, longest_};
}

ShuffledPlan::ShuffledPlan(std::shared_ptr<const Cells> cells, const PlanOptions& options, std::vector<double> weights,
                           DrawKey key, int64_t too_long)
    : cells_(std::move(cells)),
      draws_(std::move(weights), key.with("weights")),
      key_(key),
      too_long_(too_long),
      worst_(Budget(options.batch)),
      order_(0, key) {
  const int64_t shares = cells_->shares();
  std::vector<int64_t> before(static_cast<size_t>(shares));  // rows of each share in earlier cells
  first_.reserve(static_cast<size_t>(cells_->size() * shares + 1));
  int64_t visits = 0;
  for (int64_t cell = 0; cell < cells_->size(); ++cell) {
    for (int64_t share = 0; share < shares; ++share) {
      const auto s = static_cast<size_t>(share);
      const auto rows = std::ssize(cells_->rows(cell, share));
      first_.push_back(visits);
      visits += draws_.whole(s) * rows + draws_.extra(s, before[s], rows);
      before[s] += rows;
    }
  }
  first_.push_back(visits);
  order_ = Permutation(cut(Budget(options.batch)), key.with("micro-batches"));
}

// Takes the visits cell by cell until the budget is full, and returns how many micro-batches that gives. A micro-batch
// that a cell's end leaves open goes on in the next cell, at the price of that one's longer rows.
int64_t ShuffledPlan::cut(const Budget& budget) {
  int64_t count = 0, open = 0;  // micro-batches, and rows of the open one, which follows them
  RowSize open_size;
  const auto add = [&](int64_t visit, int64_t rows, const RowSize& size, int64_t times) {
    runs_.push_back({count, visit, rows});
    worst_.see(count, rows, size);
    count += times;
  };
  for (int64_t cell = 0; cell < cells_->size(); ++cell) {
    int64_t visit = cell_first(cell), left = cell_visits(cell);
    const RowSize& size = cells_->row_size(cell);
    if (left > 0 && open > 0) {
      const RowSize both = cover(open_size, size);
      const int64_t taken = std::clamp<int64_t>(budget.rows_for(both) - open, 0, left);
      if (taken > 0) open_size = both;
      open += taken, visit += taken, left -= taken;
      if (left > 0) {
        add(visit - open, open, open_size, 1);
        open = 0;
      }
    }
    if (left == 0) continue;
    const int64_t rows = budget.rows_for(size), full = (left - 1) / rows;  // the last one stays open
    if (full > 0) add(visit, rows, size, full);
    open = left - full * rows;
    open_size = size;
  }
  if (open > 0) add(visits() - open, open, open_size, 1);
  return count;
}

int64_t ShuffledPlan::begin_of(int64_t micro_batch) const {
  if (micro_batch == size()) return visits();
  const Run& run = *std::prev(std::ranges::upper_bound(runs_, micro_batch, {}, &Run::micro_batch));
  return run.visit + (micro_batch - run.micro_batch) * run.rows;
}

std::vector<Visit> ShuffledPlan::micro_batch(int64_t index) const {
  const int64_t number = order_(index);
  const int64_t begin = begin_of(number), end = begin_of(number + 1);
  std::vector<Visit> visits;
  visits.reserve(static_cast<size_t>(end - begin));
  const auto holder = std::prev(std::ranges::upper_bound(first_, begin));
  int64_t cell = std::distance(first_.begin(), holder) / cells_->shares();
  for (int64_t at = begin; at < end; ++cell) {
    const int64_t first = cell_first(cell), cell_end = std::min(end, cell_first(cell + 1));
    if (at == cell_end) continue;  // a cell without visits in this epoch
    const Permutation mixed(cell_visits(cell), key_.with("cell").with(static_cast<uint64_t>(cell)));
    for (; at < cell_end; ++at) visits.push_back(visit(cell, mixed(at - first)));
  }
  return visits;
}

// The visits of a cell stand share by share, in each first those that every row gets, then the others.
Visit ShuffledPlan::visit(int64_t cell, int64_t place) const {
  const auto firsts = first_.begin() + cell * cells_->shares();
  const int64_t at = *firsts + place;
  const auto holder = std::prev(std::upper_bound(firsts, firsts + cells_->shares(), at));
  const int64_t share = std::distance(firsts, holder);
  const auto rows = cells_->rows(cell, share);
  const int64_t copies = draws_.whole(static_cast<size_t>(share)), count = std::ssize(rows);
  int64_t i = at - *holder;
  const int64_t copy = std::min(i / count, copies);
  i -= copy * count;
  if (copy == copies) {
    const DrawKey key = key_.with("extra").with(static_cast<uint64_t>(cell)).with(static_cast<uint64_t>(share));
    i = Permutation(count, key)(i);
  }
  return {rows[static_cast<size_t>(i)], copy};
}

std::vector<int64_t> ShuffledPlan::worst() const {
  std::vector<int64_t> places;
  for (const int64_t number : worst_.all()) places.push_back(order_.inverse(number));
  return places;
}

}  // namespace usam::data
