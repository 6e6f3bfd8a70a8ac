#pragma once
// What a rank is at: its main thread says it, other threads pass it on.
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace usam::dist {

// One thing that a rank is at, and for which it needs no other rank.
struct Activity {
  int64_t step = 0;  // from 1; 0: none yet
  std::string phase = "the start";
  std::vector<std::string> keys;  // of the samples that it works on
  // It may take so many times as long as others wait for a rank (Patience::for_others).
  int64_t slowness = 1;

  bool operator==(const Activity&) const = default;
  // "step 12, forward of 'a', 'b' and 38 more"
  std::string text() const;
};

// What the main thread of one rank is at. Thread-safe.
class ActivityMonitor {
 public:
  using Clock = std::chrono::steady_clock;

  struct View {
    Activity activity;
    Clock::duration stood;   // since anything new was said here
    int64_t operations = 0;  // that this rank has come to, as all ranks do in the same order
    bool waits = false;      // an operation is the last thing that it has come to
    double waited = 0;       // seconds in operations
  };

  // Says what the main thread is at from now on. The same as before is no news.
  void at(Activity activity);
  View view() const;
  // Seconds that the main thread has waited in operations.
  double waited() const;

  // This rank has come to an operation with the others.
  void comes();
  // Counts the time that the main thread waits in one.
  void waited_for(Clock::duration time);

 private:
  mutable std::mutex mutex_;
  View view_;
  Clock::time_point since_ = Clock::now();
};

// An operation in which the main thread waits as long as this lives.
class Wait {
 public:
  explicit Wait(ActivityMonitor& monitor) : monitor_(monitor) {}
  ~Wait() { monitor_.waited_for(ActivityMonitor::Clock::now() - start_); }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

 private:
  ActivityMonitor& monitor_;
  ActivityMonitor::Clock::time_point start_ = ActivityMonitor::Clock::now();
};

}  // namespace usam::dist
