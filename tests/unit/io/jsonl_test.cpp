#include "src/io/jsonl.h"

#include <limits>

#include "src/base/error.h"
#include "tests/support.h"

namespace usam::io {
namespace {

std::string content(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(JsonLines, AppendsWholeLines) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "a.jsonl";
  {
    JsonLinesWriter writer(path);
    writer.write({{"step", 1}, {"loss", 0.5}});
    EXPECT_EQ(content(path), "{\"step\":1,\"loss\":0.5}\n");  // on the disk before the writer closes
  }
  JsonLinesWriter(path).write({{"loss", std::numeric_limits<double>::quiet_NaN()}, {"text", "a\nb\xff"}});
  EXPECT_EQ(content(path), "{\"step\":1,\"loss\":0.5}\n{\"loss\":null,\"text\":\"a\\nb\xef\xbf\xbd\"}\n");
}

TEST(JsonLines, CutsATornLastLineBeforeItAppends) {
  test::TemporaryFolder folder;
  const std::string path = folder.write("a.jsonl", "{\"step\":1}\n{\"st" + std::string(10000, 'x'));
  JsonLinesWriter(path).write({{"step", 2}});
  EXPECT_EQ(content(path), "{\"step\":1}\n{\"step\":2}\n");
  const std::string torn = folder.write("b.jsonl", "{\"st");
  JsonLinesWriter(torn).write({{"step", 2}});
  EXPECT_EQ(content(torn), "{\"step\":2}\n");
}

TEST(JsonLines, NamesAPathThatItCannotOpen) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "none" / "a.jsonl";
  EXPECT_EQ(test::message_of([&] { JsonLinesWriter writer(path); }),
            path + ": cannot open the file: No such file or directory");
  JsonLinesWriter full("/dev/full");
  for (const auto& write : std::vector<std::function<void()>>{[&] { full.write({{"a", 1}}); }, [&] { full.sync(); }})
    EXPECT_EQ(test::message_of(write), "/dev/full: cannot write the file: No space left on device");
}

bool until_two(const Json& row) {
  return row.at("step").get<int64_t>() <= 2;
}

TEST(CutAfter, KeepsTheRowsUpToAStepAsTheyWere) {
  test::TemporaryFolder folder;
  const std::string path = folder.write("a.jsonl", "{\"step\": 1 }\n{\"step\":2}\n{\"step\":3}\n{\"step\":4");
  EXPECT_EQ(cut_after(path, until_two), 2);
  EXPECT_EQ(content(path), "{\"step\": 1 }\n{\"step\":2}\n");
  EXPECT_EQ(cut_after(path, until_two), 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_EQ(cut_after(folder.path() / "none", until_two), 0);
}

TEST(CutAfter, NamesALineThatIsNotJsonAndLeavesTheFile) {
  test::TemporaryFolder folder;
  const std::string text = "{\"step\":1}\noops\n{\"step\":3}\n", path = folder.write("a.jsonl", text);
  EXPECT_EQ(test::message_of([&] { cut_after(path, until_two); }),
            path + ":2: the line is not valid JSON; remove or mend it");
  EXPECT_THROW(cut_after(path, until_two), UserError);
  EXPECT_EQ(content(path), text);
}

}  // namespace
}  // namespace usam::io
