#include "tools/inspect/data/batches.h"

#include <ATen/ceil_div.h>
#include <algorithm>
#include <cmath>

#include "data/plan.h"
#include "data/sources/open.h"
#include "src/base/error.h"
#include "src/base/text.h"

namespace usam::inspect {
namespace {

constexpr int64_t kLookedAt = 2000;

// What is padded in rows that are as long as the longest.
struct Padding {
  double used = 0, taken = 0;

  void add(const std::vector<double>& lengths) {
    for (const double length : lengths) used += length;
    taken += static_cast<double>(lengths.size()) * *std::ranges::max_element(lengths);
  }
  double share() const { return taken > used * (1 + 1e-9) ? 1 - used / taken : 0; }
};

class Estimator {
 public:
  Estimator(const data::DataSet& set, BatchEstimate& estimate)
      : set_(set), source_(set.source()), plan_(set.plan(0)), limit_(set.limit()), estimate_(estimate) {}

  void estimate(int64_t accumulate) {
    estimate_.micro_batches = plan_->size();
    estimate_.visits = plan_->visits();
    estimate_.steps = at::ceil_div(plan_->size(), accumulate);
    const int64_t looked_at = std::min(plan_->size(), kLookedAt);
    for (int64_t i = 0; i < looked_at; ++i) look_at(plan_->micro_batch(i * plan_->size() / looked_at));
    estimate_.padded_seconds = seconds_.share();
    estimate_.padded_tokens = tokens_.share();
    if (rows_ > 0) {
      estimate_.audio_tokens /= static_cast<double>(rows_);
      estimate_.text_tokens /= static_cast<double>(rows_);
    }
    for (const int64_t index : plan_->worst()) describe_longest(plan_->micro_batch(index));
    describe_long_audio();
  }

 private:
  double seconds_of(int64_t row) const { return std::max(set_.seconds(row), set_.recipe_plan().min_seconds); }

  void look_at(const std::vector<data::Visit>& visits) {
    std::vector<double> seconds, tokens;
    for (const data::Visit& visit : visits) {
      seconds.push_back(seconds_of(visit.row));
      if (!estimate_.has_tokens) continue;
      const auto length = set_.recipe_plan().length(source_.row(visit.row), seconds.back());
      tokens.push_back(static_cast<double>(length.audio_tokens + length.text_tokens));
      estimate_.audio_tokens += static_cast<double>(length.audio_tokens);
      estimate_.text_tokens += static_cast<double>(length.text_tokens);
      estimate_.most_tokens = std::max(estimate_.most_tokens, length.audio_tokens + length.text_tokens);
    }
    rows_ += std::ssize(visits);
    Padding own;
    own.add(seconds);
    seconds_.add(seconds);
    if (!tokens.empty()) tokens_.add(tokens);
    estimate_.padding.push_back(static_cast<float>(own.share()));
  }

  void describe_longest(const std::vector<data::Visit>& visits) {
    const auto longest =
        std::ranges::max_element(visits, {}, [&](const data::Visit& visit) { return seconds_of(visit.row); });
    const double seconds = seconds_of(longest->row);
    const double taken = seconds * static_cast<double>(visits.size());
    if (taken <= most_taken_) return;
    most_taken_ = taken;
    estimate_.longest = fmt::format("{} row{} of up to {:.2f} s ({})", visits.size(), visits.size() == 1 ? "" : "s",
                                    seconds, source_.place(longest->row));
  }

  void describe_long_audio() {
    for (int64_t i = 0; i < source_.size(); ++i) {
      const double beyond = source_.seconds(i) - limit_.seconds;
      if (beyond <= data::kLengthTolerance) continue;
      ++estimate_.long_clips;
      estimate_.long_seconds += beyond;
    }
    const std::string limit =
        fmt::format("{} above {}max_seconds = {}", estimate_.long_clips, limit_.prefix, limit_.seconds);
    const bool is_one = estimate_.long_clips == 1;
    if (limit_.policy == data::LongAudio::kTruncate) {
      estimate_.long_audio =
          fmt::format("{} {} cut, {} in all", limit, is_one ? "is" : "are", human_seconds(estimate_.long_seconds));
    } else {
      estimate_.long_audio = fmt::format("{} {} left out", limit, is_one ? "is" : "are");
    }
  }

  const data::DataSet& set_;
  const data::Source& source_;
  std::shared_ptr<const data::EpochPlan> plan_;
  data::LengthLimit limit_;
  BatchEstimate& estimate_;
  Padding seconds_, tokens_;
  int64_t rows_ = 0;
  double most_taken_ = 0;
};

// Micro-batches without a recipe: by seconds and rows alone.
std::shared_ptr<const data::DataSet> plain_set(std::shared_ptr<const data::Source> source,
                                               const recipes::RunConfig& config) {
  data::DataPlan plan;
  plan.length = [](const data::Row&, double seconds) { return data::SampleLength{seconds, 0, 0}; };
  plan.takes_windows = true;
  return std::make_shared<data::DataSet>(std::move(source), plan, config.data,
                                         data::Use{static_cast<uint64_t>(config.seed), true});
}

}  // namespace

BatchEstimate estimate_batches(const recipes::RunConfig& config) {
  BatchEstimate estimate;
  std::shared_ptr<const data::Source> source;
  std::shared_ptr<Recipe> recipe;  // the data set's functions are its own
  std::shared_ptr<const data::DataSet> set;
  try {
    source =
        config.recipe.empty() ? data::open_manifests(config.data.train) : recipes::open_data(config.data.train, config);
    if (config.recipe.empty()) user_error("the config names no recipe");
    recipe = recipes::build_recipe(config, *source);
    set = recipes::make_data_set(source, *recipe, config, true, nullptr);
    estimate.has_tokens = true;
  } catch (const UserError& e) {
    estimate.note = e.what();
  }
  try {
    if (!set && source && !config.data.batch.tokens) set = plain_set(source, config);
    if (set) Estimator(*set, estimate).estimate(config.trainer.accumulate);
  } catch (const UserError& e) {
    estimate = BatchEstimate();
    estimate.note = e.what();
  }
  return estimate;
}

}  // namespace usam::inspect
