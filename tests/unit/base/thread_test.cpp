#include "src/base/thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "src/base/error.h"
#include "tests/support.h"

namespace usam::test {
namespace {

using std::chrono::milliseconds;

TEST(BoundedQueue, KeepsOrderAndItsBound) {
  BoundedQueue<int> queue(2);
  std::atomic<int> pushed = 0;
  std::jthread producer([&] {
    for (int i = 0; i < 100; ++i) {
      queue.push(i);
      ++pushed;
    }
    queue.close();
  });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(pushed, 2);
  for (int i = 0; i < 100; ++i) {
    EXPECT_LE(queue.size(), 2u);
    EXPECT_EQ(queue.pop(), i);
  }
  EXPECT_EQ(queue.pop(), std::nullopt);
  EXPECT_FALSE(queue.push(1));
}

TEST(BoundedQueue, AStopWakesBothSides) {
  BoundedQueue<int> queue(1);
  std::stop_source stop;
  std::jthread waiting([&] {
    std::this_thread::sleep_for(milliseconds(20));
    stop.request_stop();
  });
  EXPECT_EQ(queue.pop(stop.get_token()), std::nullopt);
  EXPECT_TRUE(queue.push(1));
  EXPECT_FALSE(queue.push(2, stop.get_token()));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(BoundedQueue, CloseWakesAWaitingPop) {
  BoundedQueue<int> queue(1);
  std::jthread closing([&] {
    std::this_thread::sleep_for(milliseconds(20));
    queue.close();
  });
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, AFailureArrivesAfterTheItems) {
  BoundedQueue<int> queue(4);
  queue.push(1);
  queue.fail(std::make_exception_ptr(UserError("first")));
  queue.fail(std::make_exception_ptr(UserError("second")));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(message_of([&] { queue.pop(); }), "first");
  EXPECT_EQ(message_of([&] { queue.pop(); }), "first");
}

TEST(ThreadPool, FuturesHoldResultsAndExceptions) {
  ThreadPool pool(3);
  EXPECT_EQ(pool.size(), 3);
  auto sum = pool.submit([] { return 1 + 2; });
  auto failure = pool.submit([]() -> int { user_error("no"); });
  EXPECT_EQ(sum.get(), 3);
  EXPECT_EQ(message_of([&] { failure.get(); }), "no");
}

TEST(ThreadPool, RunsAtOnce) {
  ThreadPool pool(2);
  std::promise<void> first, second;  // each task waits for the other
  auto a = pool.submit([&] {
    first.set_value();
    return second.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  });
  auto b = pool.submit([&] {
    second.set_value();
    return first.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  });
  EXPECT_TRUE(a.get());
  EXPECT_TRUE(b.get());
}

TEST(ThreadPool, ItsEndDropsWhatHasNotBegun) {
  std::future<int> late;
  {
    ThreadPool pool(1);
    pool.submit([] { std::this_thread::sleep_for(milliseconds(50)); });
    std::this_thread::sleep_for(milliseconds(10));
    late = pool.submit([] { return 1; });
  }
  EXPECT_THROW(late.get(), std::future_error);
}

class Ordered : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Threads, Ordered, testing::Values(0, 1, 4));

TEST_P(Ordered, GivesItemsInOrder) {
  std::atomic<int64_t> furthest = 0;
  OrderedStream<int64_t> stream(GetParam(), 6, [&](int64_t index) -> std::optional<int64_t> {
    int64_t seen = furthest;
    while (index > seen && !furthest.compare_exchange_weak(seen, index)) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(index * 7919 % 500));
    if (index >= 40) return std::nullopt;
    return index * index;
  });
  for (int64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(stream.next(), i * i);
    EXPECT_LE(furthest, i + 6);  // never further ahead than asked
  }
  EXPECT_EQ(stream.next(), std::nullopt);
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST_P(Ordered, ThrowsWhereTheItemWouldHaveBeen) {
  OrderedStream<int64_t> stream(GetParam(), 4, [](int64_t index) -> std::optional<int64_t> {
    if (index == 3) user_error("item {}", index);
    return index;
  });
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(stream.next(), i);
  EXPECT_EQ(message_of([&] { stream.next(); }), "item 3");
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST_P(Ordered, CanBeLeftEarly) {
  std::atomic<int> made = 0;
  {
    OrderedStream<int> stream(GetParam(), 3, [&](int64_t) -> std::optional<int> { return ++made; });
    EXPECT_TRUE(stream.next());
  }
  int at_end = made;
  std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(made, at_end);
}

}  // namespace
}  // namespace usam::test
