#include "src/base/log.h"

#include <gtest/gtest.h>

#include <regex>

namespace usam::test {
namespace {

// What `run` writes to standard error. spdlog's sink writes to stderr itself, which gtest redirects.
std::string logged(const std::function<void()>& run) {
  testing::internal::CaptureStderr();
  run();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, OneLineWithTimeAndLevel) {
  std::string text = logged([] { log::warn("{} of {} files", 2, 3); });
  EXPECT_TRUE(std::regex_match(text, std::regex("[0-9-]{10} [0-9:]{8} warning: 2 of 3 files\n"))) << text;
}

TEST(Log, BracesInAMessageAreText) {
  EXPECT_NE(logged([] { log::write(log::Level::kInfo, "{a} {}"); }).find("info: {a} {}\n"), std::string::npos);
}

TEST(Log, LevelsBelowTheThresholdAreDropped) {
  log::Level before = log::level();
  log::set_level(log::Level::kWarn);
  EXPECT_EQ(logged([] { log::info("quiet"); }), "");
  EXPECT_NE(logged([] { log::error("loud"); }), "");
  log::set_level(log::Level::kDebug);
  EXPECT_NE(logged([] { log::debug("detail"); }).find("debug: detail"), std::string::npos);
  log::set_level(before);
}

TEST(Log, PrefixStandsBeforeEveryMessage) {
  log::set_prefix("[rank 1] ");
  EXPECT_NE(logged([] { log::error("x"); }).find("error: [rank 1] x\n"), std::string::npos);
  log::set_prefix("");
  EXPECT_NE(logged([] { log::error("x"); }).find("error: x\n"), std::string::npos);
}

// The level is read once, when the first line is logged: a fresh process is needed to see it.
TEST(LogDeathTest, LevelComesFromTheEnvironment) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  auto run = [](const char* level) {
    ::setenv("USAM_LOG", level, 1);
    log::debug("detail");
    log::info("news");
    log::error("loud");
    std::exit(0);
  };
  EXPECT_EXIT(run("debug"), testing::ExitedWithCode(0), "detail");
  EXPECT_EXIT(run("error"), testing::ExitedWithCode(0), "^[^\n]*error: loud\n$");
  EXPECT_EXIT(run("chatty"), testing::ExitedWithCode(0),
              "USAM_LOG is 'chatty', which is none of debug, info, warn and error; taking info");
}

}  // namespace
}  // namespace usam::test
