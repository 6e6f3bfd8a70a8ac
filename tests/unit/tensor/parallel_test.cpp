#include "src/tensor/parallel.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

namespace usam {
namespace {

using Stretches = std::set<std::pair<int64_t, int64_t>>;

class Parallel : public ::testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(3); }
  void TearDown() override { at::set_num_threads(before_); }

  Stretches run(int64_t begin, int64_t end, int64_t grain) {
    threads_.clear();
    Stretches stretches;
    parallel_for(begin, end, grain, [&](int64_t first, int64_t last) {
      const std::lock_guard lock(mutex_);
      stretches.emplace(first, last);
      threads_.insert(std::this_thread::get_id());
    });
    return stretches;
  }

  int before_ = at::get_num_threads();
  std::mutex mutex_;
  std::set<std::thread::id> threads_;
};

TEST_F(Parallel, RunsOnTorchsThreads) {
  EXPECT_EQ(run(10, 20, 1), (Stretches{{10, 14}, {14, 18}, {18, 20}}));
  EXPECT_EQ(threads_.size(), 3U);
  at::set_num_threads(2);
  EXPECT_EQ(run(10, 20, 1), (Stretches{{10, 15}, {15, 20}}));
  EXPECT_EQ(threads_.size(), 2U);
}

TEST_F(Parallel, WhatIsLittleStaysInTheCallersThread) {
  const std::set<std::thread::id> own = {std::this_thread::get_id()};
  EXPECT_EQ(run(0, 10, 10), (Stretches{{0, 10}}));
  EXPECT_EQ(threads_, own);
  EXPECT_EQ(run(0, 10, 9).size(), 2U);
  EXPECT_EQ(run(5, 5, 1), Stretches());
  at::set_num_threads(1);
  EXPECT_EQ(run(0, 100, 1), (Stretches{{0, 100}}));
  EXPECT_EQ(threads_, own);
}

TEST_F(Parallel, ALoopInsideALoopStaysInItsThread) {
  parallel_for(0, 3, 1, [&](int64_t, int64_t) {
    const auto own = std::this_thread::get_id();
    parallel_for(0, 100, 1, [&](int64_t first, int64_t last) {
      EXPECT_EQ(std::this_thread::get_id(), own);
      EXPECT_EQ(last - first, 100);
    });
  });
}

TEST_F(Parallel, WhatAStretchThrowsIsThrown) {
  EXPECT_THROW(parallel_for(0, 3, 1,
                            [](int64_t first, int64_t) {
                              if (first == 2) throw std::runtime_error("a bad row");
                            }),
               std::runtime_error);
  EXPECT_EQ(run(0, 3, 1).size(), 3U);
}

}  // namespace
}  // namespace usam
