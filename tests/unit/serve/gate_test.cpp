#include "tools/serve/gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tools/serve/api_error.h"

namespace usam::serve {
namespace {

const std::function<void()> kPatient = [] {};

TEST(Gate, LetsInInOrder) {
  Gate gate(1, 8);
  auto first = gate.enter(kPatient);
  std::vector<int> order;
  std::mutex mutex;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const auto place = gate.enter(kPatient);
      const std::lock_guard lock(mutex);
      order.push_back(i);
    });
    while (gate.waiting() <= i) std::this_thread::yield();
  }
  first.reset();
  threads.clear();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(gate.waiting(), 0);
}

TEST(Gate, RefusesWhatWouldWaitTooLong) {
  Gate gate(1, 0);
  const auto place = gate.enter(kPatient);
  try {
    gate.enter(kPatient);
    FAIL();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 429);
    EXPECT_STREQ(error.what(), "0 requests wait already (--queue); try again later.");
  }
}

TEST(Gate, WhoGivesUpHoldsUpNobody) {
  Gate gate(1, 8);
  auto first = gate.enter(kPatient);
  std::atomic<bool> gives_up = false;
  std::jthread leaving([&] {
    EXPECT_THROW(gate.enter([&] {
      if (gives_up) throw std::runtime_error("gone");
    }),
                 std::runtime_error);
  });
  while (gate.waiting() < 1) std::this_thread::yield();
  std::atomic<bool> is_in = false;
  std::jthread staying([&] {
    gate.enter(kPatient);
    is_in = true;
  });
  while (gate.waiting() < 2) std::this_thread::yield();
  gives_up = true;
  leaving.join();
  EXPECT_EQ(gate.waiting(), 1);
  EXPECT_FALSE(is_in);
  first.reset();
  staying.join();
  EXPECT_TRUE(is_in);
}

}  // namespace
}  // namespace usam::serve
