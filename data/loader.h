#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "data/data_set.h"

namespace usam::data {

// Which of an epoch's micro-batches a loader delivers: from `start`, each `ranks`-th, beginning with the `rank`-th.
struct Slice {
  Cursor start;
  int64_t rank = 0;
  int64_t ranks = 1;
};

// What was done to the samples that a loader has delivered.
struct LoadCounts {
  int64_t samples = 0;      // delivered
  int64_t skipped = 0;      // unreadable
  int64_t too_long = 0;     // left out because of their length, found when they were decoded
  int64_t truncated = 0;    // cut to the longest that is allowed
  int64_t windowed = 0;     // encoded in several windows
  int64_t recalled = 0;     // not read: the recipe's memory had them
  int64_t misdeclared = 0;  // the manifest's duration was wrong
};

// One rank's micro-batches in order, from a cursor to the end of its epoch, loaded ahead by data.threads threads. The
// sequence is a pure function of the data set, the cursor and the slice: threads only change the speed. Every rank gets
// equally many: one whose turn lies beyond the epoch's end gets a batch without samples.
class Loader {
 public:
  // UserError: a cursor beyond the epoch's end (the data changed since it was saved), and what Planner refuses.
  Loader(std::shared_ptr<const DataSet> data, Slice slice);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next micro-batch; nothing after the last one of the epoch. UserError: the first unusable sample under
  // data.on_error: fail.
  std::optional<Batch> next();
  // Waits for the next micro-batch, for `limit` at most: the keys of its samples that are still missing then.
  std::vector<std::string> missing_after(std::chrono::milliseconds limit);
  const LoadCounts& counts() const { return counts_; }

 private:
  struct Slot;

  std::shared_ptr<Slot> make_slot();
  void start_threads(int64_t count);
  void work();
  std::shared_ptr<Slot> claim(std::unique_lock<std::mutex>& lock, size_t& sample);
  void load_sample(Slot& slot, size_t sample);
  void finish(Slot& slot);
  bool is_ready() const;
  void ask();
  void count(const Slot& slot);
  void report() const;

  std::shared_ptr<const DataSet> data_;
  Slice slice_;
  std::shared_ptr<const EpochPlan> plan_;
  int64_t next_index_;  // of the next micro-batch to be made
  int64_t end_index_;
  LoadCounts counts_;

  std::mutex mutex_;  // guards all below, next_index_, and the claims of slots
  std::condition_variable work_ready_, slot_ready_;
  std::deque<std::shared_ptr<Slot>> slots_;
  size_t depth_ = 0;  // micro-batches under way at most; with no threads of its own 1 while next() waits, else 0
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace usam::data
