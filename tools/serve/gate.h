#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

namespace usam::serve {

// Lets so many in at a time, in the order in which they came, and so many wait.
class Gate {
 public:
  Gate(int64_t inside, int64_t waiting) : most_inside_(inside), most_waiting_(waiting) {}

  // Waits for a place, which is free again when the last copy of what is returned goes. `check` is called now and then
  // and may throw. ApiError 429: too many wait.
  std::shared_ptr<void> enter(const std::function<void()>& check);
  int64_t waiting() const;

 private:
  const int64_t most_inside_, most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<int> waiting_;
  int64_t inside_ = 0;
};

}  // namespace usam::serve
