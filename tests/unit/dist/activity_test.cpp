#include "src/dist/activity.h"

#include <gtest/gtest.h>

#include <thread>

namespace usam::dist {
namespace {

using namespace std::chrono_literals;

TEST(ActivityMonitor, TellsWhatARankIsAt) {
  EXPECT_EQ(Activity().text(), "the start");
  EXPECT_EQ((Activity{0, "opening data", {}, 10}).text(), "opening data");
  EXPECT_EQ((Activity{12, "forward", {"a"}}).text(), "step 12, forward of 'a'");
  EXPECT_EQ((Activity{12, "data", {"a", "b", "c", "d", "e", "f"}}).text(),
            "step 12, data of 'a', 'b', 'c', 'd' and 2 more");
}

TEST(ActivityMonitor, OnlyNewsCountAsMoving) {
  ActivityMonitor monitor;
  monitor.at({1, "data", {"a", "b"}});
  std::this_thread::sleep_for(30ms);
  monitor.at({1, "data", {"a", "b"}});
  EXPECT_GE(monitor.view().stood, 30ms);
  monitor.at({1, "data", {"b"}});
  EXPECT_LT(monitor.view().stood, 30ms);
  EXPECT_EQ(monitor.view().activity.keys, std::vector<std::string>{"b"});
}

TEST(ActivityMonitor, CountsOperationsAndTheTimeInThem) {
  ActivityMonitor monitor;
  EXPECT_FALSE(monitor.view().waits);
  monitor.comes();
  EXPECT_TRUE(monitor.view().waits);
  {
    const Wait wait(monitor);
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_FALSE(monitor.view().waits);
  EXPECT_EQ(monitor.view().operations, 1);
  EXPECT_GE(monitor.waited(), 0.02);
  EXPECT_LT(monitor.waited(), 5);
  monitor.comes();
  monitor.at({2, "data", {}});
  EXPECT_FALSE(monitor.view().waits);  // it only set out, and does something else
}

}  // namespace
}  // namespace usam::dist
