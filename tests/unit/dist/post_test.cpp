#include "src/dist/post.h"

#include <gtest/gtest.h>

#include <thread>

namespace usam::dist {
namespace {

using namespace std::chrono_literals;

TEST(Post, TellsWhatARankIsAt) {
  EXPECT_EQ(Activity().text(), "the start");
  EXPECT_EQ((Activity{0, "opening data", {}, 10}).text(), "opening data");
  EXPECT_EQ((Activity{12, "forward", {"a"}}).text(), "step 12, forward of 'a'");
  EXPECT_EQ((Activity{12, "data", {"a", "b", "c", "d", "e", "f"}}).text(),
            "step 12, data of 'a', 'b', 'c', 'd' and 2 more");
}

TEST(Post, OnlyNewsCountAsMoving) {
  Post post;
  post.at({1, "data", {"a", "b"}});
  std::this_thread::sleep_for(30ms);
  post.at({1, "data", {"a", "b"}});
  EXPECT_GE(post.view().stood, 30ms);
  post.at({1, "data", {"b"}});
  EXPECT_LT(post.view().stood, 30ms);
  EXPECT_EQ(post.view().activity.keys, std::vector<std::string>{"b"});
}

TEST(Post, CountsOperationsAndTheTimeInThem) {
  Post post;
  EXPECT_FALSE(post.view().waits);
  post.comes();
  EXPECT_TRUE(post.view().waits);
  {
    const Wait wait(post);
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_FALSE(post.view().waits);
  EXPECT_EQ(post.view().operations, 1);
  EXPECT_GE(post.waited(), 0.02);
  EXPECT_LT(post.waited(), 5);
  post.comes();
  post.at({2, "data", {}});
  EXPECT_FALSE(post.view().waits);  // it only set out, and does something else
}

}  // namespace
}  // namespace usam::dist
