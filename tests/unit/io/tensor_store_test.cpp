#include "src/io/tensor_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support.h"

namespace usam::io {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLarge = int64_t{1} << 20;

StoredTensor value(int64_t i) {
  return {torch::full({2, 3}, i, torch::kFloat), "note " + std::to_string(i)};
}

std::vector<fs::path> shards(const fs::path& folder) {
  std::vector<fs::path> all;
  for (const auto& entry : fs::directory_iterator(folder)) all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  return all;
}

// Entries "0" to "count - 1" in one shard each.
void fill(const std::string& folder, int64_t count) {
  TensorStore store(folder, "kind", 1);
  for (int64_t i = 0; i < count; ++i) {
    store.put(std::to_string(i), value(i));
    store.refresh();
  }
}

void expect_value(const TensorStore& store, int64_t i) {
  const auto found = store.find(std::to_string(i));
  ASSERT_TRUE(found) << i;
  EXPECT_TRUE(torch::equal(found->tensor, value(i).tensor)) << i;
  EXPECT_EQ(found->note, value(i).note);
}

std::string logged(const std::function<void()>& run) {
  testing::internal::CaptureStderr();
  run();
  return testing::internal::GetCapturedStderr();
}

void flip_byte(const fs::path& path, int64_t offset_from_end) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-offset_from_end, std::ios::end);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(-offset_from_end, std::ios::end);
  file.put(byte);
}

TEST(TensorStore, GivesBackWhatWasPutNowAndInTheNextRun) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "deep" / "store").string();
  {
    TensorStore store(path, "kind", kLarge);
    EXPECT_FALSE(store.contains("0"));
    EXPECT_FALSE(store.find("0"));
    for (int64_t i = 0; i < 3; ++i) store.put(std::to_string(i), value(i));
    store.put("0", value(7));  // the first one stays
    store.put("half", {torch::ones({0, 2}, torch::kHalf), ""});
    for (int64_t i = 0; i < 3; ++i) expect_value(store, i);
    EXPECT_EQ(store.size(), 4);
    EXPECT_EQ(store.bytes(), 3 * 24);
  }
  ASSERT_EQ(shards(path).size(), 1u);
  const TensorStore again(path, "kind", kLarge);
  for (int64_t i = 0; i < 3; ++i) expect_value(again, i);
  EXPECT_EQ(again.find("half")->tensor.scalar_type(), torch::kHalf);
  EXPECT_EQ(again.find("half")->tensor.sizes(), torch::IntArrayRef({0, 2}));
  EXPECT_EQ(again.bytes(), 3 * 24);
}

TEST(TensorStore, WritesAShardAsSoonAsItIsFull) {
  const test::TemporaryFolder folder;
  TensorStore store(folder.path().string(), "kind", 48);
  for (int64_t i = 0; i < 5; ++i) store.put(std::to_string(i), value(i));
  store.refresh();
  EXPECT_EQ(shards(folder.path()).size(), 3u);
  for (int64_t i = 0; i < 5; ++i) expect_value(store, i);
}

TEST(TensorStore, SeesWhatOthersWroteAtTheNextRefresh) {
  const test::TemporaryFolder folder;
  TensorStore one(folder.path().string(), "kind", kLarge), other(folder.path().string(), "kind", kLarge);
  one.put("0", value(0));
  one.refresh();
  EXPECT_FALSE(other.contains("0"));
  other.put("1", value(1));
  other.refresh();
  one.refresh();
  for (int64_t i = 0; i < 2; ++i) expect_value(one, i), expect_value(other, i);
}

TEST(TensorStore, ManyWritersShareAFolder) {
  const test::TemporaryFolder folder;
  std::vector<pid_t> children;
  for (int64_t c = 0; c < 4; ++c) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    {
      TensorStore store(folder.path().string(), "kind", 100);
      for (int64_t i = 0; i < 40; ++i) store.put(std::to_string((i + 10 * c) % 40), value((i + 10 * c) % 40));
    }
    _exit(0);
  }
  for (const pid_t child : children) {
    int status = 1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const TensorStore store(folder.path().string(), "kind", 100);
  EXPECT_EQ(store.size(), 40);
  for (int64_t i = 0; i < 40; ++i) expect_value(store, i);
}

TEST(TensorStore, ReadersAndWritersInOneProcess) {
  const test::TemporaryFolder folder;
  TensorStore store(folder.path().string(), "kind", 200);
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 60; ++i) {
        store.put(std::to_string((20 * t + i) % 60), value((20 * t + i) % 60));
        if (const auto found = store.find(std::to_string(i))) {
          EXPECT_TRUE(torch::equal(found->tensor, value(i).tensor));
        }
        if (i % 20 == 0) store.refresh();
      }
    });
  for (auto& thread : threads) thread.join();
  for (int64_t i = 0; i < 60; ++i) expect_value(store, i);
  EXPECT_EQ(store.size(), 60);
}

TEST(TensorStore, LeavesOutTornAndForeignFilesAndSaysSo) {
  const test::TemporaryFolder folder;
  fill(folder.path().string(), 3);
  const auto files = shards(folder.path());
  ASSERT_EQ(files.size(), 3u);
  fs::resize_file(files[0], fs::file_size(files[0]) - 5);
  write_safetensors((folder.path() / "weights.safetensors").string(), {{"x", torch::ones({2})}});
  folder.write("notes.txt", "not looked at");
  std::unique_ptr<TensorStore> store;
  const std::string log =
      logged([&] { store = std::make_unique<TensorStore>(folder.path().string(), "kind", kLarge); });
  EXPECT_EQ(store->size(), 2);
  EXPECT_NE(log.find(files[0].string()), std::string::npos) << log;
  EXPECT_NE(log.find("It is left out; what it held is made again\n"), std::string::npos) << log;
  EXPECT_NE(log.find("weights.safetensors: left out, it was not written by this cache\n"), std::string::npos) << log;
  EXPECT_TRUE(fs::exists(folder.path() / "weights.safetensors"));
  EXPECT_EQ(logged([&] { store->refresh(); }), "");  // said once
  for (int64_t i = 0; i < 3; ++i) store->put(std::to_string(i), value(i));
  for (int64_t i = 0; i < 3; ++i) expect_value(*store, i);
}

TEST(TensorStore, LeavesOutWhatIsOfAnotherKind) {
  const test::TemporaryFolder folder;
  fill(folder.path().string(), 1);
  EXPECT_EQ(TensorStore(folder.path().string(), "another", kLarge).size(), 0);
  EXPECT_EQ(TensorStore(folder.path().string(), "kind", kLarge).size(), 1);
}

TEST(TensorStore, RemovesAShardWithAWrongChecksum) {
  const test::TemporaryFolder folder;
  {
    TensorStore store(folder.path().string(), "kind", kLarge);
    for (int64_t i = 0; i < 3; ++i) store.put(std::to_string(i), value(i));
  }
  const auto file = shards(folder.path()).at(0);
  flip_byte(file, 1);  // of the last entry
  TensorStore store(folder.path().string(), "kind", kLarge);
  expect_value(store, 0);
  const std::string log = logged([&] { EXPECT_FALSE(store.find("2")); });
  EXPECT_NE(log.find(file.string() + ": a checksum is wrong. The file is removed; what it held is made again\n"),
            std::string::npos)
      << log;
  EXPECT_EQ(store.size(), 0);
  EXPECT_EQ(store.bytes(), 0);
  EXPECT_FALSE(fs::exists(file));
  store.put("2", value(2));
  expect_value(store, 2);
}

// Any bit of a shard: either nothing, or what was put.
TEST(TensorStore, NoFlippedBitGivesWrongValues) {
  const test::TemporaryFolder folder;
  fill(folder.path().string(), 1);
  const auto file = shards(folder.path()).at(0);
  const std::string bytes = [&] {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    std::ofstream(file, std::ios::binary) << flipped;
    testing::internal::CaptureStderr();
    const TensorStore store(folder.path().string(), "kind", kLarge);
    for (const char* key : {"0", "1", "2", "8"}) {
      const auto found = store.find(key);
      if (!found) continue;
      EXPECT_TRUE(torch::equal(found->tensor, value(0).tensor)) << i;
      EXPECT_EQ(found->note, value(0).note) << i;
      EXPECT_EQ(std::string(key), "0") << i;
    }
    testing::internal::GetCapturedStderr();
  }
}

TEST(TensorStore, AKilledWriterLosesOnlyWhatIsInNoShard) {
  const test::TemporaryFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    TensorStore store(folder.path().string(), "kind", 48);
    for (int64_t i = 0; i < 4; ++i) store.put(std::to_string(i), value(i));
    store.refresh();
    store.put("4", value(4));
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  const TensorStore store(folder.path().string(), "kind", kLarge);
  EXPECT_EQ(store.size(), 4);
  for (int64_t i = 0; i < 4; ++i) expect_value(store, i);
}

TEST(TensorStore, RemovesWhatKilledWritersLeftADayAgo) {
  const test::TemporaryFolder folder;
  const std::string old = folder.write("shard-1.safetensors.partial-12", "x");
  const std::string fresh = folder.write("shard-2.safetensors.partial-13", "x");
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(30));
  const TensorStore store(folder.path().string(), "kind", kLarge);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(fresh));
}

// A disk that is full, as far as this process can tell.
TEST(TensorStore, AFullDiskIsToldOnceAndEndsNothing) {
  const test::TemporaryFolder folder;
  fill(folder.path().string(), 1);
  struct rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{4000, before.rlim_max};  // the log of this test fits
  setrlimit(RLIMIT_FSIZE, &small);
  std::string log = logged([&] {
    TensorStore store(folder.path().string(), "kind", 1);
    const int64_t bytes = store.bytes();
    for (int64_t i = 1; i < 4; ++i) {
      store.put(std::to_string(i), {torch::zeros({5000}), ""});
      store.put("and " + std::to_string(i), {torch::zeros({5000}), ""});  // while the first is being written
      store.refresh();
    }
    expect_value(store, 0);
    EXPECT_EQ(store.size(), 1);
    EXPECT_EQ(store.bytes(), bytes);
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  const std::string warning =
      "': File too large. The cache takes nothing more; training goes on "
      "without it.\n";
  EXPECT_NE(log.find("Cannot write '"), std::string::npos) << log;
  EXPECT_NE(log.find(warning), std::string::npos) << log;
  EXPECT_EQ(log.find(warning), log.rfind(warning));
  EXPECT_EQ(shards(folder.path()).size(), 1u);  // and no partial file
}

}  // namespace
}  // namespace usam::io
