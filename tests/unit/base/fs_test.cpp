#include "src/base/fs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "tests/support.h"

namespace usam::test {
namespace {

namespace fs = std::filesystem;

int64_t files_in(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

TEST(Files, ReadGivesEveryByte) {
  TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 300000; ++i) bytes += static_cast<char>(i * 7 % 256);
  EXPECT_EQ(read_file(folder.write("a", bytes)), bytes);
  EXPECT_EQ(read_file(folder.write("empty", "")), "");
}

TEST(Files, ReadErrorsNameThePathAndTheReason) {
  TemporaryFolder folder;
  std::string path = (folder.path() / "gone").string();
  EXPECT_EQ(message_of([&] { read_file(path); }), "Cannot read '" + path + "': No such file or directory.");
  EXPECT_EQ(message_of([&] { read_file(folder.path().string()); }),
            "Cannot read '" + folder.path().string() + "': Is a directory.");
  EXPECT_THROW(read_file(path), UserError);
}

TEST(Files, WriteReplacesAndLeavesNothingAside) {
  TemporaryFolder folder;
  std::string path = folder.write("a", "old");
  write_file_atomically(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(files_in(folder.path()), 1);
}

TEST(Files, AWriteThatFailsKeepsTheOldFile) {
  TemporaryFolder folder;
  fs::create_directory(folder.path() / "sub");
  folder.write("sub/inside", "");
  std::string path = (folder.path() / "sub").string();  // a folder cannot be replaced by a file
  EXPECT_EQ(message_of([&] { write_file_atomically(path, "x"); }), "Cannot write '" + path + "': Is a directory.");
  EXPECT_EQ(files_in(folder.path()), 1);
  std::string nowhere = (folder.path() / "gone" / "a").string();
  EXPECT_EQ(message_of([&] { write_file_atomically(nowhere, "x"); }),
            "Cannot write '" + nowhere + "': No such file or directory.");
  // A file system that is full.
  if (fs::exists("/dev/full")) {
    fs::create_symlink("/dev/full", folder.path() / ("full.partial-" + std::to_string(getpid())));
    std::string full = (folder.path() / "full").string();
    EXPECT_EQ(message_of([&] { write_file_atomically(full, "x"); }),
              "Cannot write '" + full + "': No space left on device.");
    EXPECT_EQ(files_in(folder.path()), 1);
  }
}

TEST(Files, FoldersAreRenamedWhole) {
  TemporaryFolder folder;
  fs::create_directory(folder.path() / "from");
  folder.write("from/a", "x");
  std::string from = (folder.path() / "from").string(), to = (folder.path() / "to").string();
  rename_synced(from, to);
  EXPECT_EQ(read_file(to + "/a"), "x");
  EXPECT_FALSE(fs::exists(from));
  EXPECT_EQ(message_of([&] { rename_synced(from, to); }),
            "Cannot rename '" + from + "' to '" + to + "': No such file or directory.");
  fs::create_directory(from);
  EXPECT_EQ(message_of([&] { rename_synced(from, to); }),
            "Cannot rename '" + from + "' to '" + to + "': Directory not empty.");
}

TEST(Files, SyncNeedsWhatItSyncs) {
  TemporaryFolder folder;
  sync_file(folder.write("a", "x"));
  sync_folder(folder.path().string());
  std::string gone = (folder.path() / "gone").string();
  EXPECT_EQ(message_of([&] { sync_folder(gone); }), "Cannot open '" + gone + "': No such file or directory.");
  EXPECT_EQ(message_of([&] { sync_file(gone); }), "Cannot open '" + gone + "': No such file or directory.");
}

TEST(Hash, KnownDigests) {
  EXPECT_EQ(sha256_text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  TemporaryFolder folder;
  EXPECT_EQ(sha256_file(folder.write("a", std::string(1000000, 'a'))) + " " +
                sha256_file(folder.write("b", std::string(1 << 20, 'b') + "c")),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0 " +
                sha256_text(std::string(1 << 20, 'b') + "c"));
  Sha256 hash;
  hash.add("a", 1);
  hash.add("bc", 2);
  EXPECT_EQ(hash.hex(), sha256_text("abc"));
  std::string gone = (folder.path() / "gone").string();
  EXPECT_EQ(message_of([&] { sha256_file(gone); }), "Cannot read '" + gone + "': No such file or directory.");
  EXPECT_EQ(message_of([&] { sha256_file(folder.path().string()); }),
            "Cannot read '" + folder.path().string() + "': Is a directory.");
}

}  // namespace
}  // namespace usam::test
