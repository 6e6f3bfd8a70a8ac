#pragma once
// The two kinds of epoch plans (plan.h).
#include <memory>
#include <vector>

#include "data/cells.h"
#include "data/draws.h"
#include "data/permutation.h"
#include "data/plan.h"

namespace usam::data {

// The costliest micro-batch and the one with the longest row, among those that it is told of.
class Worst {
 public:
  explicit Worst(const Budget& budget) : budget_(budget) {}
  void see(int64_t micro_batch, int64_t rows, const RowSize& size);
  std::vector<int64_t> all() const;

 private:
  Budget budget_;
  int64_t costliest_ = -1, longest_ = -1;
  double cost_ = -1;
  std::pair<double, int64_t> length_{-1, 0};  // seconds of the longest row, rows
};

class ShuffledPlan final : public EpochPlan {
 public:
  ShuffledPlan(std::shared_ptr<const Cells> cells, const PlanOptions& options, std::vector<double> weights, DrawKey key,
               int64_t too_long);

  int64_t size() const override { return order_.size(); }
  int64_t visits() const override { return first_.back(); }
  std::vector<Visit> micro_batch(int64_t index) const override;
  std::vector<int64_t> worst() const override;
  int64_t too_long() const override { return too_long_; }

 private:
  // A run of micro-batches, before they are permuted, that begin at equal distances; it ends where the next begins.
  struct Run {
    int64_t micro_batch, visit, rows;
  };
  int64_t cut(const Budget& budget);
  int64_t begin_of(int64_t micro_batch) const;
  Visit visit(int64_t cell, int64_t place) const;
  int64_t cell_first(int64_t cell) const { return first_[static_cast<size_t>(cell * cells_->shares())]; }
  int64_t cell_visits(int64_t cell) const { return cell_first(cell + 1) - cell_first(cell); }

  std::shared_ptr<const Cells> cells_;
  Draws draws_;
  DrawKey key_;
  std::vector<int64_t> first_;  // visit of each share in each cell, and the end
  int64_t too_long_;
  Worst worst_;
  std::vector<Run> runs_;
  Permutation order_;  // from the place in the epoch to the number of the micro-batch
};

class OrderedPlan final : public EpochPlan {
 public:
  OrderedPlan(std::shared_ptr<const Source> source, const PlanOptions& options, std::vector<double> weights,
              DrawKey key, int64_t too_long);

  int64_t size() const override { return std::ssize(begins_); }
  int64_t visits() const override { return visits_; }
  std::vector<Visit> micro_batch(int64_t index) const override;
  std::vector<int64_t> worst() const override { return worst_.all(); }
  int64_t too_long() const override { return too_long_; }

 private:
  // Walks through the visits in order.
  class Walk;
  int64_t times(size_t share, int64_t row) const;

  std::shared_ptr<const Source> source_;
  PlanOptions options_;
  std::vector<Share> shares_;
  Draws draws_;
  std::vector<Permutation> chosen_;  // of each share: the first rows of it get a visit more
  std::vector<Visit> begins_;        // of the micro-batches
  int64_t visits_ = 0, too_long_;
  Worst worst_;
};

}  // namespace usam::data
