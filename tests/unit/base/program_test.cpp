#include "src/base/program.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <regex>
#include <string>

#include "src/base/error.h"

namespace usam::test {
namespace {

struct Outcome {
  int code;
  std::string text;
};
Outcome outcome(const std::function<int()>& program) {
  testing::internal::CaptureStderr();
  int code = run_program(program);
  return {code, testing::internal::GetCapturedStderr()};
}

TEST(Program, ExitCodes) {
  EXPECT_EQ(outcome([] { return kDone; }).code, 0);
  EXPECT_EQ(outcome([] { return kPreempted; }).code, 75);
  Outcome mistake = outcome([]() -> int { user_error("The file '{}' is empty.", "a%s"); });
  EXPECT_EQ(mistake.code, 2);
  EXPECT_EQ(mistake.text, "The file 'a%s' is empty.\n");
  Outcome failure = outcome([]() -> int { internal_error("broken"); });
  EXPECT_EQ(failure.code, 1);
  EXPECT_EQ(failure.text, "usam failed: broken\n");
  Outcome torchs =
      outcome([]() -> int { throw std::runtime_error("no kernel\nException raised from f at g:1\nframe #0"); });
  EXPECT_EQ(torchs.text, "usam failed: no kernel\n");
  Outcome odd = outcome([]() -> int { throw 3; });
  EXPECT_EQ(odd.code, 1);
  EXPECT_EQ(odd.text, "usam failed with an exception of an unknown type.\n");
}

TEST(Program, ALimitOnFileSizesIsAnErrorOfTheWrite) {
  const auto before = std::signal(SIGXFSZ, SIG_DFL);
  run_program([] {
    std::raise(SIGXFSZ);
    return 0;
  });
  std::signal(SIGXFSZ, before);
}

TEST(Program, AsksTorchForLargePagesUnlessTheUserSaysOtherwise) {
  const auto asked = [] {
    run_program([] { return 0; });
    return std::string(std::getenv("THP_MEM_ALLOC_ENABLE"));
  };
  unsetenv("THP_MEM_ALLOC_ENABLE");
  EXPECT_EQ(asked(), "1");
  setenv("THP_MEM_ALLOC_ENABLE", "0", /*overwrite=*/1);
  EXPECT_EQ(asked(), "0");
  unsetenv("THP_MEM_ALLOC_ENABLE");
}

TEST(Program, VersionNamesTheCommit) {
  EXPECT_TRUE(std::regex_match(version(), std::regex("usam [0-9]+\\.[0-9]+\\.[0-9]+ \\(([0-9a-f]{7,}|no commit)\\)")))
      << version();
}

TEST(Program, VersionsNameWhatItWasBuiltWith) {
  const std::string text = versions();
  const std::regex lines(
      "\\nLibTorch [0-9]+\\.[0-9]+\\.[0-9]+(\\+[a-z0-9]+)?\\nCUDA (none|[0-9.]+)\\nNCCL (none|[0-9.]+)");
  ASSERT_TRUE(text.starts_with(version())) << text;
  EXPECT_TRUE(std::regex_match(text.substr(version().size()), lines)) << text;
}

}  // namespace
}  // namespace usam::test
