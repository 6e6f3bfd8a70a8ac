#include "tools/serve/gate.h"

#include <chrono>

#include "tools/serve/api_error.h"

namespace usam::serve {

std::shared_ptr<void> Gate::enter(const std::function<void()>& check) {
  std::unique_lock lock(mutex_);
  const bool is_full = inside_ >= most_inside_ || !waiting_.empty();
  if (is_full && std::ssize(waiting_) >= most_waiting_)
    throw ApiError(429, fmt::format("{} requests wait already (--queue); try again later.", most_waiting_), "",
                   "queue_full");
  const auto own = waiting_.insert(waiting_.end(), 0);
  try {
    while (own != waiting_.begin() || inside_ >= most_inside_) {
      changed_.wait_for(lock, std::chrono::milliseconds(200));
      lock.unlock();
      check();
      lock.lock();
    }
  } catch (...) {
    lock.lock();
    waiting_.erase(own);
    changed_.notify_all();
    throw;
  }
  waiting_.erase(own);
  ++inside_;
  changed_.notify_all();
  return {nullptr, [this](void*) {
            const std::lock_guard inner(mutex_);
            --inside_;
            changed_.notify_all();
          }};
}

int64_t Gate::waiting() const {
  const std::lock_guard lock(mutex_);
  return std::ssize(waiting_);
}

}  // namespace usam::serve
