#include "src/io/jsonl.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
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

// From now on this process' disk fails under pread, as far as the kernel lets it be so.
bool reads_fail() {
  sock_filter rules[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                         BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 0, 1),
                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
                         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program{4, rules};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(JsonLines, AFileThatCannotBeReadIsLeftAsItIs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const test::TemporaryFolder folder;
  const std::string text = "{\"step\":1}\n{\"st", path = folder.write("a.jsonl", text);
  const auto open = [&] {
    const std::string expected = path + ": cannot read the file: Input/output error";
    if (!reads_fail()) _exit(77);
    _exit(test::message_of([&] { JsonLinesWriter writer(path); }) == expected && content(path) == text ? 0 : 1);
  };
  const auto is_fine = [](int status) { return WIFEXITED(status) && WEXITSTATUS(status) % 77 == 0; };
  EXPECT_EXIT(open(), is_fine, "");
}

TEST(JsonLines, NamesAPathThatItCannotOpen) {
  test::TemporaryFolder folder;
  const std::string path = folder.path() / "none" / "a.jsonl";
  EXPECT_EQ(test::message_of([&] { JsonLinesWriter writer(path); }),
            path + ": cannot open the file: No such file or directory");
  JsonLinesWriter full("/dev/full");
  for (const auto& write : std::vector<std::function<void()>>{[&] { full.write({{"a", 1}}); }, [&] { full.sync(); }})
    EXPECT_EQ(test::message_of(write), "Cannot write '/dev/full': No space left on device.");
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

TEST(CutAfter, NamesALineThatIsNoRowOfTheFileAndLeavesTheFile) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"{}", "[json.exception.out_of_range.403] key 'step' not found"},
      {"5", "[json.exception.type_error.304] cannot use at() with number"},
      {R"({"step":"x"})", "[json.exception.type_error.302] type must be number, but is string"}};
  for (const auto& [row, reason] : rows) {
    const test::TemporaryFolder folder;
    const std::string text = "{\"step\":3}\n" + row + "\n", path = folder.write("a.jsonl", text);
    EXPECT_EQ(test::message_of([&] { cut_after(path, until_two); }),
              path + ":2: the line is not a row of this file (" + reason + "); remove or mend it");
    EXPECT_THROW(cut_after(path, until_two), UserError);
    EXPECT_EQ(content(path), text);
  }
}

}  // namespace
}  // namespace usam::io
