#pragma once
#include <algorithm>
#include <memory>
#include <mutex>
#include <string>

#include "data/batch.h"
#include "data/clip_reader.h"
#include "data/config.h"
#include "data/plan.h"
#include "data/skip_list.h"
#include "data/source.h"

namespace usam::data {

// What a data set is read for.
struct Use {
  uint64_t seed = 0;
  bool is_training = true;  // false: manifest order, every row once, no augmentation
};

// One visit after loading.
struct Sample {
  enum class State { kReady, kTooLong, kSkipped };
  State state = State::kReady;
  std::string key, task;
  Example example;
  double seconds = 0;
  bool is_truncated = false, is_misdeclared = false;
  bool is_windowed = false;  // encoded in several windows
  bool is_recalled = false;  // not read: the recipe had it all
  Skipped skipped;
};

// A source with everything that says how its samples are read: plan, features, policies, cache. Thread-safe; it
// outlives the loaders that read it, one an epoch.
class DataSet {
 public:
  // UserError: data.max_seconds above what a stream takes; data.long_audio: window for a recipe that takes none.
  DataSet(std::shared_ptr<const Source> source, DataPlan plan, DataConfig config, Use use,
          std::shared_ptr<SkipList> skips = nullptr);

  // The micro-batches of an epoch that belongs to a phase of the curriculum (see Planner), over all ranks. Rows are
  // grouped when the first is asked for; the latest plan is kept.
  std::shared_ptr<const EpochPlan> plan(int64_t epoch, int64_t phase = 0) const;

  // Decodes, augments and tokenises one visit of an epoch, in a micro-batch of so many rows. A sample that cannot be
  // used comes back as kSkipped, or throws UserError under data.on_error: fail; audio above the limit (length_limit) as
  // kTooLong, or throws where that is an error.
  Sample load(const Visit& visit, int64_t epoch, int64_t rows) const;
  // The share that a row is of (Source::shares), as counts name it: its manifest.
  const std::string& share_of(int64_t row) const;

  // A micro-batch of one sample that is made up: silence with the first row's task and prompt, and no label.
  Batch silence() const;

  const Source& source() const { return *source_; }
  const DataConfig& config() const { return config_; }
  const LengthLimit& limit() const { return limit_; }
  // Of a row's audio, as much as the limit lets in.
  double seconds(int64_t row) const { return std::min(source_->seconds(row), limit_.seconds); }
  const DataPlan& recipe_plan() const { return plan_; }
  SkipList& skips() const { return *skips_; }

 private:
  ReadClip clip_of(const Row& row, const Visit& visit, DrawKey key) const;
  void read_into(Sample& sample, const Row& row, const Visit& visit, int64_t epoch, int64_t rows) const;
  void check_budget(const Row& row, const Clip& clip, int64_t rows) const;
  PlanOptions plan_options() const;
  void mask_spectrograms(Clip& clip, DrawKey key) const;

  std::shared_ptr<const Source> source_;
  DataPlan plan_;
  DataConfig config_;
  Use use_;
  std::shared_ptr<SkipList> skips_;
  LengthLimit limit_;
  std::shared_ptr<const ClipReader> reader_;
  std::string how_;                        // clips are read: for the recipe's memory
  std::vector<std::string> spectrograms_;  // streams that SpecAugment masks
  std::vector<Share> shares_;
  mutable std::mutex mutex_;  // guards all below
  mutable std::unique_ptr<const Planner> planner_;
  mutable int64_t planned_epoch_ = -1, planned_phase_ = -1;
  mutable std::shared_ptr<const EpochPlan> planned_;
};

}  // namespace usam::data
