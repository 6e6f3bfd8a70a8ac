#pragma once
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
  std::string key;
  Example example;
  double seconds = 0;
  bool is_truncated = false, is_misdeclared = false;
  Skipped skipped;
};

// A source with everything that says how its samples are read: plan, features, policies, cache. Thread-safe; it
// outlives the loaders that read it, one an epoch.
class DataSet {
 public:
  // UserError: data.max_seconds above what a stream takes.
  DataSet(std::shared_ptr<const Source> source, DataPlan plan, DataConfig config, Use use,
          std::shared_ptr<SkipList> skips = nullptr);

  // The micro-batches of an epoch (see plan_epoch) and their number over all ranks. The latest plan is kept.
  std::shared_ptr<const EpochPlan> plan(int64_t epoch) const;
  int64_t micro_batches(int64_t epoch) const { return plan(epoch)->size(); }

  // Decodes, augments and tokenises one visit of an epoch. A sample that cannot be used comes back as kSkipped, or
  // throws UserError under data.on_error: fail; audio above data.max_seconds as kTooLong, or throws under
  // data.long_audio: error.
  Sample load(const Visit& visit, int64_t epoch) const;

  // A micro-batch of one sample that is made up: silence with the first row's task and prompt, and no label.
  Batch silence() const;

  const Source& source() const { return *source_; }
  const DataConfig& config() const { return config_; }
  const DataPlan& recipe_plan() const { return plan_; }
  SkipList& skips() const { return *skips_; }

 private:
  void read_into(Sample& sample, const Row& row, const Visit& visit, int64_t epoch) const;
  void mask_spectrograms(Clip& clip, DrawKey key) const;

  std::shared_ptr<const Source> source_;
  DataPlan plan_;
  DataConfig config_;
  Use use_;
  std::shared_ptr<SkipList> skips_;
  std::shared_ptr<const ClipReader> reader_;
  std::vector<std::string> spectrograms_;  // streams that SpecAugment masks
  mutable std::mutex mutex_;               // guards the two below
  mutable int64_t planned_epoch_ = -1;
  mutable std::shared_ptr<const EpochPlan> planned_;
};

}  // namespace usam::data
