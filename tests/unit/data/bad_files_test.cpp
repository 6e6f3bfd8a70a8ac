// Audio through the whole data set, with all streams of the usam recipe: files of ../shared/data that are broken or in
// rare formats, hundreds more that are damaged at random, files that go away or change while they are read, and names
// that no file should have.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <sstream>

#include "data/audio/bytes.h"
#include "data/audio/decode.h"
#include "data/loader.h"
#include "data/sources/open.h"
#include "src/base/json.h"
#include "tests/sanitizer.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::line;
using test_support::small_config;
using test_support::tone;
using test_support::write_wav;

DataPlan three_streams() {
  DataPlan plan;
  plan.streams = {{"whisper", WhisperMelSpec{}, 0}, {"ced", CedMelSpec{}, 2400}, {"mert", WaveSpec{24000, true}, 400}};
  plan.min_seconds = 0.15;
  for (const Stream& stream : plan.streams) plan.fields.push_back({stream.name, Layout::kPadded});
  plan.length = [](const Row&, double seconds) { return SampleLength{.seconds = seconds}; };
  plan.make_example = [](const Row&, const Clip& clip) { return Example(clip.features.begin(), clip.features.end()); };
  return plan;
}

void expect_features_of(const Example& example, double seconds, const std::string& name) {
  for (const auto& [stream, features] : example) EXPECT_TRUE(features.isfinite().all().item<bool>()) << name << stream;
  const auto samples = static_cast<int64_t>(std::llround(std::max(seconds, 0.15) * 16000));
  EXPECT_NEAR(static_cast<double>(example.at("whisper").size(0)), static_cast<double>((samples + 319) / 320 * 2), 2)
      << name;
  EXPECT_NEAR(static_cast<double>(example.at("ced").size(0)), static_cast<double>(samples / 160 + 1), 1) << name;
  EXPECT_NEAR(static_cast<double>(example.at("mert").size(0)), static_cast<double>(samples) * 1.5, 3) << name;
}

// Rows of files of which nothing is known.
class Files final : public Source {
 public:
  explicit Files(std::vector<std::string> paths) : paths_(std::move(paths)) {}
  int64_t size() const override { return std::ssize(paths_); }
  Row row(int64_t index) const override {
    Row row;
    row.key = std::to_string(index);
    row.audios = {{.path = paths_.at(static_cast<size_t>(index))}};
    row.references = {"label"};
    return row;
  }
  double seconds(int64_t) const override { return 1; }
  std::string name() const override { return "files"; }

 private:
  std::vector<std::string> paths_;
};

std::string shown(const std::string& path) {
  return AudioRef{.path = path}.shown();
}
std::string message_of_reading(const std::string& path) {
  return test::message_of([&] { audio::decode(path); });
}

class SharedFolder : public testing::TestWithParam<const char*> {};

TEST_P(SharedFolder, GivesSamplesOrReasons) {
  USAM_NEEDS_SHARED();
  const std::string manifest = (test::shared_folder() / "data" / GetParam()).string();
  std::map<std::string, Skipped> skipped;
  const auto skips = std::make_shared<SkipList>(1.0, [&](const Skipped& s) { skipped[s.key] = s; });
  const auto data = std::make_shared<DataSet>(Manifest::open(manifest), three_streams(), small_config(1, 2),
                                              Use{.is_training = false}, skips);
  Loader loader(data, {});
  int64_t delivered = 0;
  while (const auto batch = loader.next()) {
    if (batch->size() == 0) continue;
    ++delivered;
    Example example;
    for (const auto& [name, field] : batch->fields) example[name] = field.data[0];
    expect_features_of(example, batch->audio_seconds, batch->keys[0]);
  }
  EXPECT_EQ(delivered + std::ssize(skipped), data->source().size());
  EXPECT_EQ(loader.counts().skipped, std::ssize(skipped));
  const bool is_bad = std::string(GetParam()).starts_with("bad");
  EXPECT_GT(delivered, is_bad ? 20 : 40);
  EXPECT_TRUE(is_bad ? skipped.size() > 20 : skipped.size() == 1);  // m4a is listed, and beyond libsndfile
  for (const auto& [key, s] : skipped) EXPECT_NE(s.reason.find(s.file + ": "), std::string::npos) << s.reason;
}

INSTANTIATE_TEST_SUITE_P(All, SharedFolder, testing::Values("bad/bad_audio.jsonl", "formats/formats.jsonl"));

// While this lives, the process may take so many bytes more than it has.
class MemoryLimit {
 public:
  explicit MemoryLimit(rlim_t more) {
    getrlimit(RLIMIT_AS, &before_);
    rlim_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlimit limit{pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + more, before_.rlim_max};
    setrlimit(RLIMIT_AS, &limit);
  }
  ~MemoryLimit() { setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

// Flips bits anywhere, or sets bytes of the header to what counts and sizes go wrong at; some are cut off too.
std::string damaged(std::string bytes, std::mt19937_64& random) {
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const size_t header = std::min<size_t>(bytes.size(), 128);
  switch (below(4)) {
    case 0:
      for (size_t i = below(64) + 1; i > 0; --i) bytes[below(bytes.size())] ^= static_cast<char>(1 << below(8));
      break;
    case 1:
      for (size_t i = below(4) + 1; i > 0; --i) bytes[below(header)] = "\x00\x01\x7f\x80\xff"[below(5)];
      break;
    case 2: {
      const size_t at = below(header / 4) * 4;  // a whole number of four bytes
      for (size_t i = at; i < std::min(at + 4, bytes.size()); ++i) bytes[i] = "\xff\x7f"[i == at + 3 ? below(2) : 0];
      break;
    }
    default:
      bytes.resize(below(bytes.size()));
  }
  if (below(8) == 0) bytes.resize(bytes.size() / 2);
  return bytes;
}

TEST(DamagedAudio, IsReadOrListedAtBoundedMemory) {
  USAM_NEEDS_SHARED();
  std::vector<std::filesystem::path> formats;
  for (const auto& entry : std::filesystem::directory_iterator(test::shared_folder() / "data/formats"))
    if (entry.path().extension() != ".jsonl") formats.push_back(entry.path());
  std::ranges::sort(formats);
  const test::TemporaryFolder folder;
  std::mt19937_64 random(20);
  std::vector<std::string> paths;
  for (int i = 0; i < 200; ++i) {
    const auto& of = formats[static_cast<size_t>(i) % formats.size()];
    std::stringstream bytes;
    bytes << std::ifstream(of, std::ios::binary).rdbuf();
    paths.push_back(folder.write(fmt::format("{}-{}", i, of.filename().string()), damaged(bytes.str(), random)));
  }
  const DataSet data(std::make_shared<Files>(paths), three_streams(), small_config(), Use{.is_training = false});
  int read = 0, listed = 0;
  const MemoryLimit limit(512 << 20);
  for (size_t i = 0; i < paths.size(); ++i) {
    const Sample sample = data.load({static_cast<int64_t>(i), 0}, 0, 1);
    if (sample.state == Sample::State::kReady) {
      ++read;
      expect_features_of(sample.example, sample.seconds, paths[i]);
      EXPECT_LE(sample.seconds, 30.0) << paths[i];
    } else {
      ++listed;
      EXPECT_EQ(sample.state, Sample::State::kSkipped) << paths[i];
      EXPECT_TRUE(sample.skipped.reason.starts_with(paths[i] + ": ")) << sample.skipped.reason;
      EXPECT_GT(sample.skipped.reason.size(), paths[i].size() + 10) << sample.skipped.reason;
    }
  }
  EXPECT_GT(read, 50);
  EXPECT_GT(listed, 50);
}

TEST(DamagedAudio, TheMemoryLimitOfTheTestAboveHolds) {
  USAM_NEEDS_THE_SYSTEMS_ALLOCATOR();
  const MemoryLimit limit(512 << 20);
  EXPECT_ANY_THROW(torch::empty({600 << 20}, torch::kInt8));
}

TEST(VanishingAudio, BetweenEpochsIsListedWithItsReason) {
  const test::TemporaryFolder folder;
  std::string manifest;
  std::map<std::string, std::string> paths;
  for (const std::string name : {"kept", "removed", "folder", "shorter", "text"}) {
    paths[name] = write_wav(folder, name + ".wav", tone(1, 300));
    manifest += line(name, name + ".wav", 1);
  }
  std::map<std::string, std::string> reasons;
  const auto skips = std::make_shared<SkipList>(1.0, [&](const Skipped& s) { reasons[s.key] = s.reason; });
  DataConfig config = small_config(2, 2);
  config.shuffle = false;
  const auto data = std::make_shared<DataSet>(Manifest::open(folder.write("m.jsonl", manifest)), three_streams(),
                                              config, Use{7, true}, skips);
  const auto read = [&](int64_t epoch) {
    Loader loader(data, {.start = {epoch, 0}});
    std::vector<std::string> keys;
    while (const auto batch = loader.next()) keys.insert(keys.end(), batch->keys.begin(), batch->keys.end());
    EXPECT_EQ(std::ssize(keys) + loader.counts().skipped, 5);
    EXPECT_EQ(loader.counts().misdeclared, epoch);
    return keys;
  };
  EXPECT_EQ(read(0).size(), 5u);
  EXPECT_TRUE(reasons.empty());

  std::filesystem::remove(paths["removed"]);
  std::filesystem::remove(paths["folder"]);
  std::filesystem::create_directory(paths["folder"]);
  std::filesystem::resize_file(paths["shorter"], 20000);
  folder.write("text.wav", "this was audio");
  EXPECT_EQ(read(1), (std::vector<std::string>{"kept", "shorter"}));  // a wav of another length than its header's
  EXPECT_EQ(reasons.size(), 3u);
  EXPECT_EQ(reasons["removed"], paths["removed"] + ": the audio file does not exist");
  EXPECT_EQ(reasons["folder"], paths["folder"] + ": not a file");
  EXPECT_NE(reasons["text"].find(paths["text"] + ": cannot be read as audio: "), std::string::npos);
}

TEST(VanishingAudio, OnceOpenIsReadToItsEndOrRefused) {
  const test::TemporaryFolder folder;
  const std::string path = write_wav(folder, "a.wav", tone(1, 300));
  audio::Stretch removed({.path = path});
  std::filesystem::remove(path);
  EXPECT_EQ(std::ssize(removed.text()), removed.size());

  audio::Stretch shrunk({.path = write_wav(folder, "b.wav", tone(1, 300))});
  std::filesystem::resize_file(folder.path() / "b.wav", 1000);
  EXPECT_EQ(test::message_of([&] { shrunk.text(); }),
            fmt::format("{}: the file was cut off while it was read: 1000 of {} bytes are there",
                        (folder.path() / "b.wav").string(), shrunk.size()));
}

// Nothing that could keep a reader waiting is read from.
TEST(OddFiles, ArePipesDevicesAndLinks) {
  const test::TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder.path() / name).string(); };
  ASSERT_EQ(mkfifo(path("pipe.wav").c_str(), 0600), 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path("socket.wav").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int socket_file = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(socket_file, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  std::filesystem::create_symlink(path("gone"), path("dangling.wav"));
  std::filesystem::create_symlink(path("loop.wav"), path("loop.wav"));

  for (const std::string& file : {path("pipe.wav"), path("socket.wav"), std::string("/dev/zero"),
                                  std::string("/dev/tty"), std::string("/dev/full"), folder.path().string()})
    EXPECT_TRUE(message_of_reading(file) == file + ": not a file" ||
                message_of_reading(file) == file + ": cannot be opened: No such device or address")
        << message_of_reading(file);
  EXPECT_EQ(message_of_reading(path("pipe.wav")), path("pipe.wav") + ": not a file");
  EXPECT_EQ(message_of_reading("/dev/zero"), "/dev/zero: not a file");
  EXPECT_EQ(message_of_reading(path("dangling.wav")), path("dangling.wav") + ": the audio file does not exist");
  EXPECT_EQ(message_of_reading(path("loop.wav")),
            path("loop.wav") + ": cannot be opened: Too many levels of symbolic links");
  EXPECT_EQ(message_of_reading(folder.write("empty.wav", "")), path("empty.wav") + ": the audio file is empty");
  close(socket_file);
}

TEST(OddFiles, MayBeForbidden) {
  const test::TemporaryFolder folder;
  const std::string path = write_wav(folder, "a.wav", tone(1, 300));
  std::filesystem::permissions(path, std::filesystem::perms::none);
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  const uid_t user = geteuid();
  if (user == 0) ASSERT_EQ(seteuid(65534), 0);  // root may read everything
  const std::string message = message_of_reading(path);
  ASSERT_EQ(seteuid(user), 0);
  EXPECT_EQ(message, path + ": cannot be opened: Permission denied");
}

TEST(OddNames, AreReadAndShownOnOneLine) {
  const test::TemporaryFolder folder;
  const std::string name = (folder.path() / "a\nb \x1b[31m\xff\xfe.wav").string();
  std::filesystem::rename(write_wav(folder, "a.wav", tone(1, 300)), name);
  EXPECT_EQ(audio::decode(name).samples.numel(), 16000);
  std::filesystem::remove(name);
  const std::string shown_name = (folder.path() / "a\\nb \\x1b[31m\xff\xfe.wav").string();
  EXPECT_EQ(message_of_reading(name), shown_name + ": the audio file does not exist");

  const std::string text = to_json_line({"key\n\xff", shown(name), message_of_reading(name)});
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const Json back = Json::parse(text);  // valid UTF-8
  EXPECT_EQ(back["key"], "key\n\uFFFD");
}

TEST(OddNames, AFolderNeedNotBeUtf8) {
  const test::TemporaryFolder folder;
  const auto odd = folder.path() / "M\xfcller";
  std::filesystem::create_directory(odd);
  std::filesystem::rename(write_wav(folder, "a.wav", tone(1, 300)), odd / "a.wav");
  std::ofstream(odd / "m.jsonl") << R"({"key": "a", "wav": "a.wav", "label": "x", "task": "ASR"})" << "\n";
  for (int i = 0; i < 2; ++i) {  // made, and read again
    const auto source = open_manifests({{{(odd / "m.jsonl").string()}}}, {{}, (folder.path() / "index").string()});
    ASSERT_EQ(source->size(), 1);
    EXPECT_EQ(source->row(0).audio().path, (odd / "a.wav").string());
  }
}

TEST(OddNames, MayBeTooLongOrTooDeep) {
  const std::string too_long = "/" + std::string(5000, 'x') + ".wav";
  EXPECT_EQ(message_of_reading(too_long), too_long + ": cannot be opened: File name too long");
  std::string deep;
  for (int i = 0; i < 3000; ++i) deep += "/d";
  EXPECT_EQ(message_of_reading(deep + "/a.wav"), deep + "/a.wav: cannot be opened: File name too long");
  EXPECT_EQ(message_of_reading(""), ": the audio file does not exist");
}

}  // namespace
}  // namespace usam::data
