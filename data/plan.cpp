#include "data/plan.h"

#include <algorithm>

#include "data/epoch_plans.h"
#include "src/base/error.h"

namespace usam::data {

double planned_seconds(double seconds, const PlanOptions& options) {
  const double used = std::min(seconds, options.max_seconds);
  return std::max(std::min(used / std::min(options.slowest_speed, 1.0), options.max_seconds), options.min_seconds);
}

Planner::Planner(std::shared_ptr<const Source> source, PlanOptions options)
    : source_(std::move(source)), options_(std::move(options)) {
  const std::vector<Share> shares = source_->shares();
  if (options_.phases.empty()) options_.phases.emplace_back(shares.size(), 1.0);
  if (options_.shuffle) cells_ = std::make_shared<Cells>(*source_, options_);
  for (size_t s = 0; s < shares.size(); ++s) {
    int64_t too_long = 0;
    if (cells_) {
      too_long = cells_->too_long(static_cast<int64_t>(s));
    } else if (options_.long_audio == LongAudio::kDrop) {
      for (int64_t row = shares[s].begin; row < shares[s].end; ++row)
        too_long += is_too_long(source_->seconds(row), options_);
    }
    too_long_.push_back(too_long);
    kept_.push_back(shares[s].rows() - too_long);
  }
  for (size_t phase = 0; phase < options_.phases.size(); ++phase) check_phase(phase);
}

Planner::~Planner() = default;

// Every epoch of a phase must have a row, however its weights are rounded.
void Planner::check_phase(size_t phase) const {
  const std::string where =
      options_.phases.size() > 1 ? fmt::format("phase {} of data.curriculum", phase + 1) : std::string("an epoch");
  int64_t rows = 0, kept = 0;
  bool is_sure = false;
  for (size_t s = 0; s < kept_.size(); ++s) {
    const double weight = options_.phases[phase].at(s);
    if (weight <= 0) continue;
    rows += kept_[s] + too_long_[s];
    kept += kept_[s];
    is_sure = is_sure || weight * static_cast<double>(kept_[s]) >= 1;
  }
  if (rows > 0 && kept == 0)
    user_error("{}: nothing is left of {}: {} of {} clips are longer than {}max_seconds = {}", source_->name(), where,
               rows, rows, options_.prefix, options_.max_seconds);
  if (rows > 0 && !is_sure)
    user_error("{}: the weights leave {} without a row, or with one by chance only: raise them", source_->name(),
               where);
}

std::shared_ptr<const EpochPlan> Planner::plan(int64_t epoch, int64_t phase) const {
  const DrawKey key = draw_key(options_.seed, "plan", static_cast<uint64_t>(epoch));
  const std::vector<double>& weights = options_.phases.at(static_cast<size_t>(phase));
  int64_t too_long = 0;
  for (size_t s = 0; s < weights.size(); ++s) too_long += weights[s] > 0 ? too_long_[s] : 0;
  if (cells_) return std::make_shared<ShuffledPlan>(cells_, options_, weights, key, too_long);
  return std::make_shared<OrderedPlan>(source_, options_, weights, key, too_long);
}

}  // namespace usam::data
