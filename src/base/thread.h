#pragma once
// Threads for the data loader: a bounded queue between them, a pool, and a map over a stream of work that keeps its
// order.
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace usam {

// First in, first out between threads; `push` waits while it is full, `pop` while it is empty.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity > 0 ? capacity : 1) {}

  // False, and the item is dropped, when the queue is closed or a stop is asked for.
  bool push(T item, std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return is_closed_ || items_.size() < capacity_; });
    if (is_closed_ || stop.stop_requested()) return false;
    items_.push_back(std::move(item));
    changed_.notify_all();
    return true;
  }

  // The next item; empty at the end: closed and drained, or a stop is asked for. An exception given to `fail` is thrown
  // here once the items before it are taken, by every later pop too.
  std::optional<T> pop(std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [&] { return is_closed_ || !items_.empty(); });
    if (stop.stop_requested()) return std::nullopt;
    if (items_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return std::nullopt;
    }
    std::optional<T> item = std::move(items_.front());
    items_.pop_front();
    changed_.notify_all();
    return item;
  }

  // No more items come; what is stored can still be taken.
  void close() {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
    changed_.notify_all();
  }

  // Closes the queue with an exception for whoever pops; the first one counts.
  void fail(std::exception_ptr failure) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
    is_closed_ = true;
    changed_.notify_all();
  }

  size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }

 private:
  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<T> items_;
  std::exception_ptr failure_;
  bool is_closed_ = false;
};

// A fixed number of threads that run tasks in the order they were given. The destructor drops tasks that have not begun
// (their futures throw std::future_error) and waits for those that have.
class ThreadPool {
 public:
  explicit ThreadPool(int64_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // The future holds the result or the exception.
  template <class Run>
  auto submit(Run run) -> std::future<decltype(run())> {
    auto task = std::make_shared<std::packaged_task<decltype(run())()>>(std::move(run));
    auto future = task->get_future();
    enqueue([task] { (*task)(); });
    return future;
  }
  int64_t size() const { return static_cast<int64_t>(threads_.size()); }

 private:
  void enqueue(std::function<void()> task);
  void work(std::stop_token stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::jthread> threads_;
};

// Results of `make(0)`, `make(1)`, ... in this order, made by `threads` threads at most `ahead` items before they are
// asked for; with 0 threads each is made when it is asked for. `make` is called concurrently and gives an empty
// optional past the end. An exception of `make(i)` is thrown by the next() that would have given item i, and ends the
// stream.
template <class T>
class OrderedStream {
 public:
  OrderedStream(int64_t threads, int64_t ahead, std::function<std::optional<T>(int64_t)> make)
      : make_(std::move(make)), ahead_(ahead > threads ? ahead : threads) {
    if (threads > 0) pool_ = std::make_unique<ThreadPool>(threads);
  }

  std::optional<T> next() {
    if (is_done_) return std::nullopt;
    is_done_ = true;  // unless an item comes: an exception ends the stream too
    std::optional<T> item;
    if (pool_) {
      fill();
      item = pending_.front().get();
      pending_.pop_front();
    } else {
      item = make_(next_++);
    }
    is_done_ = !item;
    if (pool_ && item) fill();
    return item;
  }

 private:
  void fill() {
    while (static_cast<int64_t>(pending_.size()) < ahead_) {
      pending_.push_back(pool_->submit([this, index = next_++] { return make_(index); }));
    }
  }

  std::function<std::optional<T>(int64_t)> make_;
  int64_t ahead_;
  int64_t next_ = 0;
  bool is_done_ = false;
  std::deque<std::future<std::optional<T>>> pending_;
  std::unique_ptr<ThreadPool> pool_;  // last: its threads end before what they use is gone
};

}  // namespace usam
