#include <algorithm>

#include "data/epoch_plans.h"

namespace usam::data {

// Stands at a visit, or behind the last one.
class OrderedPlan::Walk {
 public:
  Walk(const OrderedPlan& plan, Visit at) : plan_(plan), at_(at) {
    while (share_ < plan_.shares_.size() && plan_.shares_[share_].end <= at_.row) ++share_;
  }
  // Goes on to the first row that has a visit, this one's own included.
  void settle() {
    for (; share_ < plan_.shares_.size(); ++share_) {
      for (; at_.row < plan_.shares_[share_].end; ++at_.row)
        if (plan_.times(share_, at_.row) > 0) return;
    }
  }
  void next() {
    if (++at_.copy < plan_.times(share_, at_.row)) return;
    at_ = {at_.row + 1, 0};
    if (at_.row == plan_.shares_[share_].end) ++share_;
    settle();
  }
  bool is_over() const { return share_ == plan_.shares_.size(); }
  const Visit& at() const { return at_; }
  size_t share() const { return share_; }

 private:
  const OrderedPlan& plan_;
  Visit at_;
  size_t share_ = 0;
};

OrderedPlan::OrderedPlan(std::shared_ptr<const Source> source, const PlanOptions& options, std::vector<double> weights,
                         DrawKey key, int64_t too_long)
    : source_(std::move(source)),
      options_(options),
      shares_(source_->shares()),
      draws_(std::move(weights), key.with("weights")),
      too_long_(too_long),
      worst_(Budget(options.batch)) {
  for (size_t s = 0; s < shares_.size(); ++s)
    chosen_.emplace_back(shares_[s].rows(), key.with("extra").with(static_cast<uint64_t>(s)));
  const Budget budget(options_.batch);
  Sizes sizes(*source_, options_);
  int64_t rows = 0;  // of the open micro-batch
  RowSize longest;
  Walk walk(*this, {0, 0});
  for (walk.settle(); !walk.is_over(); walk.next(), ++visits_) {
    const RowSize size = *sizes.of(walk.share(), walk.at().row);
    const RowSize with = cover(longest, size);
    const bool is_full = rows > 0 && budget.rows_for(with) <= rows;
    if (is_full) worst_.see(std::ssize(begins_) - 1, rows, longest);
    if (is_full || rows == 0) begins_.push_back(walk.at());
    rows = is_full ? 1 : rows + 1;
    longest = is_full ? size : with;
  }
  if (rows > 0) worst_.see(std::ssize(begins_) - 1, rows, longest);
}

// How often a row is visited.
int64_t OrderedPlan::times(size_t share, int64_t row) const {
  if (options_.long_audio == LongAudio::kDrop && is_too_long(source_->seconds(row), options_)) return 0;
  const int64_t rows = shares_[share].rows(), extra = draws_.extra(share, 0, rows);
  const bool has_one_more = extra > 0 && chosen_[share].inverse(row - shares_[share].begin) < extra;
  return draws_.whole(share) + (has_one_more ? 1 : 0);
}

std::vector<Visit> OrderedPlan::micro_batch(int64_t index) const {
  const auto i = static_cast<size_t>(index);
  std::vector<Visit> visits;
  for (Walk walk(*this, begins_.at(i)); !walk.is_over(); walk.next()) {
    if (i + 1 < begins_.size() && walk.at() == begins_[i + 1]) break;
    visits.push_back(walk.at());
  }
  return visits;
}

}  // namespace usam::data
