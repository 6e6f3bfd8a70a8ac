#include "data/index.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "data/manifest.h"
#include "data/sources/open.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;
using test_support::line;
using test_support::tone;
using test_support::write_wav;

constexpr int kRows = 12'000;

std::string many_rows(int rows = kRows) {
  std::string text;
  for (int i = 0; i < rows; ++i)
    text += line("k" + std::to_string(i), "a.wav", 1 + i % 7, "label " + std::to_string(i));
  return text;
}

class IndexFile : public ::testing::Test {
 protected:
  IndexFile() : path_(folder_.write("m.jsonl", many_rows())) {
    setenv("XDG_CACHE_HOME", (folder_.path() / "cache").c_str(), 1);
  }
  ~IndexFile() override { unsetenv("XDG_CACHE_HOME"); }
  std::shared_ptr<const Source> open(const std::string& index_dir = "") const {
    ManifestConfig config;
    config.path.value = path_;
    return open_manifests({config}, {{}, index_dir});
  }
  // Which file an index is: another one after it was built again.
  static ino_t number_of(const fs::path& file) {
    struct stat info{};
    return stat(file.c_str(), &info) == 0 ? info.st_ino : 0;
  }
  void expect_rows(const Source& source) const {
    ASSERT_EQ(source.size(), kRows);
    for (const int64_t i : {0, 1, 9'999, 10'000, kRows - 1}) {
      const Row row = source.row(i);
      EXPECT_EQ(row.key, "k" + std::to_string(i));
      EXPECT_EQ(row.references.front(), "label " + std::to_string(i));
      EXPECT_EQ(row.line, i + 1);
      EXPECT_EQ(source.seconds(i), 1 + i % 7);
      EXPECT_EQ(source.text_bytes(i), std::ssize(row.references.front()));
      EXPECT_EQ(source.place(i), path_ + ":" + std::to_string(i + 1));
    }
  }
  std::vector<std::string> left_over() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename();
      if (name.find(".lock") != std::string::npos || name.find("partial") != std::string::npos) names.push_back(name);
    }
    return names;
  }

  test::TemporaryFolder folder_;
  const std::string path_;
  const fs::path beside_ = folder_.path() / ".m.jsonl.usam-index";
};

TEST_F(IndexFile, IsBuiltOnceAndMapped) {
  expect_rows(*open());
  const ino_t first = number_of(beside_);
  EXPECT_NE(first, 0u);
  EXPECT_EQ(left_over(), std::vector<std::string>());
  expect_rows(*open());
  EXPECT_EQ(number_of(beside_), first);
}

TEST_F(IndexFile, SmallManifestsHaveNone) {
  folder_.write("m.jsonl", many_rows(kMinStoredRows));
  EXPECT_EQ(open()->size(), kMinStoredRows);
  EXPECT_FALSE(fs::exists(beside_));
  folder_.write("m.jsonl", many_rows(kMinStoredRows + 1));
  open();
  EXPECT_TRUE(fs::exists(beside_));
}

TEST_F(IndexFile, IsBuiltAgainWhenItDoesNotFit) {
  open();
  const auto expect_built_again = [&](const char* why) {
    // The inode of a removed file may be given again, so the old one is kept alive.
    const fs::path kept = folder_.path() / "kept";
    fs::remove(kept);
    fs::create_hard_link(beside_, kept);
    expect_rows(*open());
    EXPECT_NE(number_of(beside_), number_of(kept)) << why;
  };
  fs::resize_file(beside_, fs::file_size(beside_) / 2);
  expect_built_again("torn");
  std::ofstream(beside_, std::ios::binary) << "no index";
  expect_built_again("foreign");
  std::fstream(beside_, std::ios::in | std::ios::out | std::ios::binary).seekp(16) << "\xff\xff\xff\xff";
  expect_built_again("a damaged header");
  std::ofstream(path_, std::ios::app) << "\n";
  expect_built_again("longer");
  {
    std::fstream file(path_, std::ios::in | std::ios::out);  // as long as before
    const std::string text = many_rows();
    file.seekp(static_cast<std::streamoff>(text.size() / 2)) << text.substr(text.size() / 2, 1) << std::flush;
    file.seekp(static_cast<std::streamoff>(text.find("k5000\""))) << "K5000" << std::flush;
  }
  EXPECT_EQ(open()->row(5000).key, "K5000");
}

TEST_F(IndexFile, ATouchedManifestIsTheSame) {
  open();
  fs::last_write_time(path_, fs::last_write_time(path_) - std::chrono::hours(1));
  expect_rows(*open());
  const ino_t second = number_of(beside_);
  expect_rows(*open());
  EXPECT_EQ(number_of(beside_), second);  // its stamp was renewed
}

TEST_F(IndexFile, GoesElsewhere) {
  const fs::path dir = folder_.path() / "indices/deep";
  expect_rows(*open(dir));
  EXPECT_FALSE(fs::exists(beside_));
  ASSERT_FALSE(fs::is_empty(dir));
  const std::string name = fs::directory_iterator(dir)->path().filename();
  EXPECT_TRUE(name.starts_with("m.jsonl-") && name.ends_with(".usam-index")) << name;
  expect_rows(*open(dir));
}

TEST_F(IndexFile, WithoutAPlaceItIsInMemory) {
  // A file where the folder would have to be.
  expect_rows(*open(folder_.write("not_a_folder", "") + "/x"));
  EXPECT_FALSE(fs::exists(beside_));
}

TEST_F(IndexFile, AFullDiskCostsTheFileAlone) {
  fs::create_symlink("/dev/full", beside_.string() + ".partial-" + std::to_string(getpid()));
  expect_rows(*open());
  EXPECT_FALSE(fs::exists(beside_));
}

TEST_F(IndexFile, ProcessesDoNotClash) {
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      const auto source = open();
      _exit(source->size() == kRows && source->row(kRows - 1).key == "k11999" ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_TRUE(fs::exists(beside_));
  EXPECT_EQ(left_over(), std::vector<std::string>());
  expect_rows(*open());
}

TEST_F(IndexFile, OfACompressedManifest) {
  const std::string text = many_rows(400'000);  // more than is held in memory
  folder_.write("m.jsonl", text);
  ASSERT_EQ(std::system(("gzip -1 " + path_).c_str()), 0);
  ManifestConfig config;
  config.path.value = path_ + ".gz";
  const auto open_gz = [&] { return open_manifests({config}); };
  EXPECT_EQ(open_gz()->row(399'999).key, "k399999");
  std::vector<fs::path> kept;
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    if (entry.path().extension() == ".usam-rows") kept.push_back(entry.path());
  }
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(fs::file_size(kept[0]), text.size());
  const ino_t number = number_of(kept[0]);
  EXPECT_EQ(open_gz()->row(399'998).line, 399'999);
  EXPECT_EQ(number_of(kept[0]), number);
  fs::remove(kept[0]);  // now the disk is full
  fs::create_symlink("/dev/full", kept[0].string() + ".partial-" + std::to_string(getpid()));
  EXPECT_EQ(open_gz()->row(399'998).line, 399'999);
  EXPECT_FALSE(fs::exists(kept[0]));
}

TEST_F(IndexFile, KeysThatStandTwiceAreFoundInLargeOnes) {
  std::ofstream(path_, std::ios::app) << line("k7", "a.wav", 1) << line("new", "a.wav", 1);
  EXPECT_EQ(test::message_of([&] { open(); }), path_ + ":12001: key 'k7' stands in " + path_ + ":8 already");
  EXPECT_FALSE(fs::exists(beside_));  // what is wrong is told again
  SeenKeys seen;
  ManifestProblems problems;
  const auto manifest = Manifest::open(path_, {}, seen, problems);
  EXPECT_EQ(manifest->size(), kRows + 1);
  EXPECT_EQ(manifest->row(kRows).key, "new");
  EXPECT_EQ(manifest->index().rows_of(key_hash("new")), std::vector<int64_t>{kRows});
}

TEST_F(IndexFile, KnowsTasks) {
  std::ofstream(path_, std::ios::app)
      << R"({"key": "a", "wav": "a.wav", "label": "x", "task": "MC", "dur": 1, "prompt": "?"})";
  SeenKeys seen;
  ManifestProblems problems;
  for (int i = 0; i < 2; ++i) {  // built, found
    const auto manifest = Manifest::open(path_, {}, seen, problems);
    EXPECT_EQ(manifest->index().tasks(), (std::vector<IndexTask>{{"ASR", false, kRows}, {"MC", true, 1}}));
    seen = {};
  }
  const std::string message = test::message_of([&] { open_manifests({{{path_}, 1}}, {{"SEC"}}); });
  EXPECT_TRUE(message.starts_with(path_ + ":1: unknown task 'ASR'; the recipe has prompts for: SEC\n")) << message;
  EXPECT_TRUE(message.ends_with("... and 11980 more (12000 problems in all)"));
}

TEST_F(IndexFile, KeepsWhatWasMeasuredAndTriesTheRestAgain) {
  write_wav(folder_, "a.wav", tone(0.5, 440));
  std::ofstream(path_, std::ios::app) << R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR"})"
                                      << "\n"
                                      << R"({"key": "b", "wav": "b.wav", "label": "x", "task": "ASR"})";
  auto source = open();
  EXPECT_EQ(source->seconds(kRows), 0.5);
  EXPECT_EQ(source->seconds(kRows + 1), 0);
  write_wav(folder_, "b.wav", tone(0.75, 440));
  fs::remove(folder_.path() / "a.wav");
  source = open();
  EXPECT_EQ(source->seconds(kRows), 0.5);
  EXPECT_EQ(source->seconds(kRows + 1), 0.75);
}

class Changes : public ::testing::TestWithParam<int> {};

// A manifest that changes while it is in use: a sentence that names the row, never another row, never a crash.
TEST_P(Changes, AreNoticed) {
  const test::TemporaryFolder folder;
  const std::string text = many_rows(GetParam()), path = folder.write("m.jsonl", text);
  const auto source = Manifest::open(path);
  const int64_t last = source->size() - 1;
  const auto message = [&](int64_t row) { return test::message_of([&] { source->row(row); }); };
  EXPECT_EQ(message(last), "");
  fs::resize_file(path, 300);  // a mapping would kill the process here
  EXPECT_EQ(message(0), "");
  EXPECT_EQ(message(last), path + ":" + std::to_string(last + 1) +
                               ": the manifest changed while it was in use: it ends before this row");
  std::ofstream(path) << text.substr(text.find('\n') + 1);  // rows that are right, but others
  EXPECT_EQ(message(0), path + ":1: the manifest changed while it was in use: other text stands where this row stood");
  fs::remove(path);
  folder.write("m.jsonl", "{}");  // another file of this name is none of ours
  EXPECT_NE(message(0), "");
}
INSTANTIATE_TEST_SUITE_P(SmallAndLarge, Changes, ::testing::Values(20, kRows));

TEST(Index, HashesThatAgreeAreNoRepetition) {
  const test::TemporaryFolder folder;
  IndexRequest request;
  request.path = folder.write("x", "ab");
  request.files = {request.path};
  request.build = [](IndexBuilder& builder) {
    for (const int64_t i : {0, 1}) {
      IndexRecord record;
      record.key = "the same hash";
      record.line = i + 1;
      record.text = {0, i, 1};
      record.member = {0, 10 * i, 5};
      record.name = i == 0 ? "" : "b/c.flac";
      builder.add(record);
    }
  };
  request.key = [](const Index&, int64_t row) { return std::to_string(row); };
  ManifestProblems problems;
  const auto index = open_index(request, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(index->rows_of(key_hash("the same hash")), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(index->member_name(0), "");
  EXPECT_EQ(index->member_name(1), "b/c.flac");
  EXPECT_EQ(index->member(1), (FileSpan{0, 10, 5}));
  EXPECT_THROW(index->line(2), std::out_of_range);
  EXPECT_THROW(index->line(-1), std::out_of_range);
  request.key = [](const Index&, int64_t) { return std::string("k"); };
  EXPECT_EQ(open_index(request, problems)->size(), 1);
  EXPECT_EQ(problems.all(),
            std::vector<std::string>{request.path + ":2: key 'k' stands in " + request.path + ":1 already"});
}

}  // namespace
}  // namespace usam::data
