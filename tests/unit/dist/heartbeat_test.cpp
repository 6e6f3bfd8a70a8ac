// Ranks that watch each other over one board; where a process would be ended, it is a child of the test.
#include "src/dist/heartbeat.h"

#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

namespace usam::dist {
namespace {

using namespace std::chrono_literals;

// So many ranks in one process.
struct Watched {
  explicit Watched(int64_t world, const Patience& patience = {500ms, 1s}) : monitors(static_cast<size_t>(world)) {
    const auto board = c10::make_intrusive<c10d::HashStore>();
    for (int64_t rank = 0; rank < world; ++rank)
      beats.push_back(
          std::make_unique<Heartbeat>(board, Seat{rank, world, ""}, monitors[static_cast<size_t>(rank)], patience));
  }
  std::vector<ActivityMonitor> monitors;
  std::vector<std::unique_ptr<Heartbeat>> beats;
};

class HeartbeatTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(HeartbeatTest, RanksThatMoveOrMayBeSlowAreWell) {
  Watched run(2);
  run.monitors[0].comes();                      // waits for the other one,
  run.monitors[1].at({3, "saving", {}, 1000});  // which says that it takes long
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(run.beats[0]->diagnosis(), "");
}

TEST_F(HeartbeatTest, ARankForWhichNobodyWaitsDoesNotHang) {
  Watched run(2);
  for (ActivityMonitor& monitor : run.monitors) monitor.at({3, "evaluation", {"a"}});
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(run.beats[1]->diagnosis(), "");
}

TEST_F(HeartbeatTest, OneThatDoesNotComeHangs) {
  const auto hang = [] {
    Watched run(3);
    run.monitors[0].comes();
    for (const size_t rank : {1U, 2U}) run.monitors[rank].at({7, "data", {"k" + std::to_string(rank)}});
    std::this_thread::sleep_for(20s);
  };
  EXPECT_EXIT(hang(), testing::ExitedWithCode(1),
              "Ranks 1 and 2 of 3 hang: rank 1 has been at step 7, data of 'k1' for [0-9]+ s .parallel.timeout., and "
              "other ranks wait for them\\.");
}

TEST_F(HeartbeatTest, AnOperationThatDoesNotEnd) {
  const auto hang = [] {
    Watched run(2);
    for (ActivityMonitor& monitor : run.monitors) monitor.comes();
    std::this_thread::sleep_for(20s);
  };
  EXPECT_EXIT(hang(), testing::ExitedWithCode(1),
              "All 2 ranks have waited in the same operation for [0-9]+ s .parallel.timeout.: what they exchange does "
              "not arrive\\.");
}

TEST_F(HeartbeatTest, OneThatLeftIsNamedToThoseThatStillWait) {
  const auto leave = [] {
    Watched run(2, {1min, 1s});
    run.monitors[0].at({5, "backward", {}});
    run.beats[0].reset();
    run.monitors[1].comes();
    std::this_thread::sleep_for(20s);
  };
  EXPECT_EXIT(leave(), testing::ExitedWithCode(1),
              "Rank 0 of 2 has left, see its own message\\. It was last at step 5, backward\\. Rank 1 was at ");
}

}  // namespace
}  // namespace usam::dist
