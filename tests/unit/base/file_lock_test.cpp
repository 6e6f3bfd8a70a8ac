#include "src/base/file_lock.h"

#include <gtest/gtest.h>

#include "src/base/fs.h"
#include "tests/support.h"

namespace usam {
namespace {

TEST(FileLock, IsHeldByOneAtATime) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() / "lock";
  for (const auto at_end : {FileLock::AtEnd::kKeepFile, FileLock::AtEnd::kRemoveFile}) {
    FileLock second(at_end);
    {
      FileLock first(at_end);
      EXPECT_TRUE(first.try_take(path));
      first.write("me");
      EXPECT_FALSE(second.try_take(path));
      EXPECT_EQ(read_file(path), "me");
    }
    EXPECT_EQ(std::filesystem::exists(path), at_end == FileLock::AtEnd::kKeepFile);
    EXPECT_TRUE(second.try_take(path));
    second.release();
    EXPECT_TRUE(second.try_take(path));
  }
  EXPECT_TRUE(FileLock(FileLock::AtEnd::kKeepFile).try_take("/nonexistent/lock"));  // nobody is kept out
}

}  // namespace
}  // namespace usam
