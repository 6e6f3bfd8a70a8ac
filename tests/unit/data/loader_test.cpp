#include "data/loader.h"

#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "src/base/json.h"
#include "tests/hanging_file.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::line;
using test_support::small_config;
using test_support::small_plan;
using test_support::tone;
using test_support::write_wav;

// Ten clips of 0.2 to 1.1 s.
class LoaderTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 10; ++i) {
      write_wav(folder_, fmt::format("{}.wav", i), tone(0.2 + 0.1 * i, 200 + 50 * i, i % 2 ? 16000 : 22050),
                i % 2 ? 16000 : 22050);
      manifest_ += line(fmt::format("k{}", i), fmt::format("{}.wav", i), 0.2 + 0.1 * i,
                        "label " + std::string(static_cast<size_t>(i), 'x'));
    }
  }
  std::shared_ptr<DataSet> data(DataConfig config, Use use = {7, true}, std::shared_ptr<SkipList> skips = nullptr) {
    return std::make_shared<DataSet>(Manifest::open(folder_.write("m.jsonl", manifest_)), small_plan(),
                                     std::move(config), use, skips);
  }
  test::TemporaryFolder folder_;
  std::string manifest_;
};

std::vector<Batch> read_all(Loader& loader) {
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  EXPECT_FALSE(loader.next());
  return batches;
}
std::vector<Batch> read_all(std::shared_ptr<const DataSet> data, Slice slice = {}) {
  Loader loader(std::move(data), slice);
  return read_all(loader);
}

void expect_equal(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].keys, b[i].keys);
    EXPECT_EQ(a[i].rows, b[i].rows);
    EXPECT_EQ(a[i].cursor, b[i].cursor);
    EXPECT_EQ(a[i].audio_seconds, b[i].audio_seconds);
    ASSERT_EQ(a[i].fields.size(), b[i].fields.size());
    for (const auto& [name, field] : a[i].fields) {
      EXPECT_TRUE(torch::equal(field.data, b[i].field(name).data)) << i << " " << name;
      EXPECT_TRUE(torch::equal(field.lengths_B, b[i].field(name).lengths_B)) << i << " " << name;
    }
  }
}

AugmentConfig everything() {
  AugmentConfig augment;
  augment.spec.time_masks = 2;
  augment.spec.frequency_masks = 1;
  augment.speed = {0.9, 1, 1.1};
  augment.gain_db = 6;
  augment.noise_db = std::vector<double>{5, 20};
  return augment;
}

TEST_F(LoaderTest, DeliversTheEpochAsTheRecipeAsked) {
  const auto batches = read_all(data(small_config(4)), {{1, 0}});
  ASSERT_EQ(batches.size(), 3u);
  std::set<std::string> keys;
  for (size_t i = 0; i < batches.size(); ++i) {
    const Batch& batch = batches[i];
    EXPECT_EQ(batch.cursor, (Cursor{1, static_cast<int64_t>(i)}));
    keys.insert(batch.keys.begin(), batch.keys.end());
    double seconds = 0;
    for (int64_t b = 0; b < batch.size(); ++b) {
      const int64_t number = batch.keys[static_cast<size_t>(b)][1] - '0';
      const double expected = 0.2 + 0.1 * static_cast<double>(number);
      EXPECT_EQ(batch.rows[static_cast<size_t>(b)], number);
      EXPECT_EQ(batch.field("mel").lengths_B[b].item<int64_t>(), std::lround(expected * 16000) / 160 + 1);
      EXPECT_NEAR(batch.field("wave").lengths_B[b].item<double>(), expected * 24000, 2);
      EXPECT_EQ(batch.field("text").lengths_B[b].item<int64_t>(), 6 + number);
      seconds += expected;
    }
    EXPECT_NEAR(batch.audio_seconds, seconds, 1e-3);
    EXPECT_EQ(batch.field("mel").data.size(2), 64);
    EXPECT_EQ(batch.field("text").data.size(0), batch.field("text").lengths_B.sum().item<int64_t>());
  }
  EXPECT_EQ(keys.size(), 10u);
}

TEST_F(LoaderTest, ThreadsDoNotChangeTheSequence) {
  for (const bool is_augmented : {false, true}) {
    DataConfig config = small_config(3, 0);
    if (is_augmented) config.augment = everything();
    const auto inline_batches = read_all(data(config));
    for (const int64_t threads : {1, 2, 5}) {
      config.threads = threads;
      expect_equal(inline_batches, read_all(data(config)));
    }
  }
}

TEST_F(LoaderTest, ResumesAtAnyCursor) {
  DataConfig config = small_config(2, 2);
  config.augment = everything();
  const auto whole = read_all(data(config), {{3, 0}});
  for (size_t at = 0; at <= whole.size(); ++at) {
    const auto rest = read_all(data(config), {{3, static_cast<int64_t>(at)}});
    expect_equal(rest, {whole.begin() + static_cast<std::ptrdiff_t>(at), whole.end()});
  }
  EXPECT_EQ(
      test::message_of([&] { Loader(data(config), {{3, 6}}); }),
      (folder_.path() / "m.jsonl").string() +
          ": epoch 3 has 5 micro-batches, but training stopped before number 6: the data or data.batch changed since");
}

TEST_F(LoaderTest, RanksShareTheEpoch) {
  const auto whole = read_all(data(small_config(3, 1)));
  ASSERT_EQ(whole.size(), 4u);
  for (const int64_t ranks : {2, 3}) {
    std::vector<std::vector<Batch>> shares;
    for (int64_t rank = 0; rank < ranks; ++rank)
      shares.push_back(read_all(data(small_config(3, 1)), {{0, 1}, rank, ranks}));
    const size_t rounds = static_cast<size_t>((3 + ranks - 1) / ranks);
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const auto& share = shares[static_cast<size_t>(rank)];
      ASSERT_EQ(share.size(), rounds);
      for (size_t round = 0; round < rounds; ++round) {
        const size_t index = 1 + round * static_cast<size_t>(ranks) + static_cast<size_t>(rank);
        EXPECT_EQ(share[round].cursor.micro_batch, static_cast<int64_t>(index));
        EXPECT_EQ(share[round].keys, index < whole.size() ? whole[index].keys : std::vector<std::string>());
        EXPECT_EQ(share[round].fields.empty(), index >= whole.size());
      }
    }
  }
}

TEST_F(LoaderTest, EvaluationNeitherShufflesNorAugments) {
  DataConfig config = small_config(4, 2);
  const auto plain = read_all(data(config, {1, false}));
  config.augment = everything();
  expect_equal(plain, read_all(data(config, {2, false}), {{0, 0}}));
  EXPECT_EQ(plain[0].keys, (std::vector<std::string>{"k0", "k1", "k2", "k3"}));
}

TEST_F(LoaderTest, EpochsAreAugmentedAnew) {
  DataConfig config = small_config(10);
  config.augment.gain_db = 6;
  config.shuffle = false;
  const auto set = data(config);
  const auto first = read_all(set, {{0, 0}}), second = read_all(set, {{1, 0}});
  EXPECT_FALSE(torch::equal(first[0].field("mel").data, second[0].field("mel").data));
}

// The cache is read after it was filled: the files are gone by then.
TEST_F(LoaderTest, TheCacheServesLaterEpochs) {
  DataConfig config = small_config(5, 2);
  config.cache_memory = 50;
  config.augment.spec.time_masks = 2;  // masks are drawn after the cache and must not leak into it
  const auto uncached = [&] {
    DataConfig c = config;
    c.cache_memory = 0;
    return read_all(data(c), {{1, 0}});
  }();
  const auto cached = data(config);
  read_all(cached, {{0, 0}});
  for (int i = 0; i < 10; ++i) std::filesystem::remove(folder_.path() / fmt::format("{}.wav", i));
  expect_equal(uncached, read_all(cached, {{1, 0}}));
}

TEST_F(LoaderTest, TheCacheKeepsToItsSize) {
  const auto plan = small_plan();
  int64_t reads = 0;
  struct Counting final : ClipReader {
    explicit Counting(int64_t& n) : count(n) {}
    ReadClip read(int64_t, const Row&, DrawKey) const override {
      ++count;
      ReadClip clip;
      clip.clip.features["x"] = torch::zeros({100000});  // 0.4 MB
      return clip;
    }
    int64_t& count;
  };
  const auto reader = make_caching_reader(std::make_shared<Counting>(reads), 1);
  for (int round = 0; round < 3; ++round) {
    for (int64_t i = 0; i < 4; ++i) reader->read(i, {}, DrawKey(0));
  }
  EXPECT_EQ(reads, 4 + 2 + 2);  // two clips fit
}

TEST_F(LoaderTest, SpeedChangesLengthAndBudget) {
  DataConfig config;
  config.batch.seconds = 4;
  config.augment.speed = {0.5};
  const auto set = data(config);
  for (const Batch& batch : read_all(set)) {
    const double longest = batch.field("seconds").data.max().item<double>();
    EXPECT_LE(longest * static_cast<double>(batch.size()), 4.001);
    for (int64_t b = 0; b < batch.size(); ++b) {
      const double declared = set->source().seconds(batch.rows[static_cast<size_t>(b)]);
      EXPECT_NEAR(batch.field("seconds").data[b].item<double>(), 2 * declared, 1e-3);
    }
  }
}

TEST_F(LoaderTest, ShortClipsArePadded) {
  write_wav(folder_, "tiny.wav", {0.1f, 0.2f, 0.3f});
  manifest_ = line("tiny", "tiny.wav", 0.0002);
  const auto batches = read_all(data(small_config(1)));
  EXPECT_EQ(batches.at(0).field("wave").lengths_B[0].item<int64_t>(), 3600);
  EXPECT_EQ(batches.at(0).field("mel").lengths_B[0].item<int64_t>(), 16);
  EXPECT_NEAR(batches.at(0).audio_seconds, 0.15, 1e-9);
}

TEST_F(LoaderTest, SilenceIsAMicroBatchWithoutALabel) {
  const Batch batch = data(small_config(4))->silence();
  EXPECT_EQ(batch.size(), 1);
  EXPECT_EQ(batch.field("text").lengths_B[0].item<int64_t>(), 0);
  EXPECT_EQ(batch.field("wave").lengths_B[0].item<int64_t>(), 24000);
  EXPECT_TRUE(torch::isfinite(batch.field("wave").data).all().item<bool>());
  EXPECT_TRUE(torch::isfinite(batch.field("mel").data).all().item<bool>());
}

TEST_F(LoaderTest, LongAudioThatTheManifestHides) {
  write_wav(folder_, "long.wav", tone(3, 300));
  manifest_ = line("a", "long.wav", 1) + line("b", "0.wav", 0.2);
  DataConfig config = small_config(4);
  config.max_seconds = 2;
  {
    Loader loader(data(config), {});
    EXPECT_NEAR(read_all(loader)[0].audio_seconds, 2.2, 1e-3);
    EXPECT_EQ(loader.counts().truncated, 1);
  }
  {
    config.long_audio = LongAudio::kDrop;
    Loader loader(data(config), {});
    EXPECT_EQ(read_all(loader)[0].keys, std::vector<std::string>{"b"});
    EXPECT_EQ(loader.counts().too_long, 1);
    EXPECT_EQ(loader.counts().skipped, 0);
  }
  config.long_audio = LongAudio::kError;
  EXPECT_EQ(
      test::message_of([&] { read_all(data(config)); }),
      (folder_.path() / "m.jsonl").string() + ":1: sample 'a': " + (folder_.path() / "long.wav").string() +
          " holds more than data.max_seconds = 2; set data.long_audio to truncate or drop, or raise data.max_seconds");
}

TEST_F(LoaderTest, ManifestsMayBeWrongAboutLengths) {
  manifest_ = line("a", "9.wav", 0.5);
  Loader loader(data(small_config(1)), {});
  EXPECT_NEAR(read_all(loader)[0].audio_seconds, 1.1, 1e-3);
  EXPECT_EQ(loader.counts().misdeclared, 1);
}

TEST_F(LoaderTest, ARowOfZeroSecondsIsSkipped) {
  manifest_ += line("zero", "0.wav", 0);
  std::vector<Skipped> skipped;
  const auto skips = std::make_shared<SkipList>(0.5, [&](const Skipped& s) { skipped.push_back(s); });
  read_all(data(small_config(4), {}, skips));
  ASSERT_EQ(skipped.size(), 1u);
  EXPECT_EQ(skipped[0].reason,
            (folder_.path() / "0.wav").string() + ": the manifest says that the clip has 0 s, but it has samples");
}

TEST_F(LoaderTest, WhisperTakesThirtySeconds) {
  DataPlan plan = small_plan();
  plan.streams.push_back({"whisper", WhisperMelSpec{}, 0});
  DataConfig config = small_config();
  config.max_seconds = 45;
  EXPECT_EQ(test::message_of([&] { DataSet(Manifest::open(folder_.write("m.jsonl", manifest_)), plan, config, {}); }),
            "data.max_seconds is 45, but stream 'whisper' takes at most 30 s; lower it");
}

TEST_F(LoaderTest, SkipsWhatCannotBeRead) {
  folder_.write("bad.wav", "no audio");
  manifest_ += line("bad1", "bad.wav", 1) + line("bad2", "gone.wav", 1) + line("bad3", "0.wav", 0.2, "refuse me");
  const std::string list = (folder_.path() / "skipped.jsonl").string();
  {
    const auto set = data(small_config(1, 2), {}, std::make_shared<SkipList>(0.3, SkipList::append_to(list)));
    for (int64_t epoch = 0; epoch < 2; ++epoch) {
      Loader loader(set, {{epoch, 0}});
      const auto batches = read_all(loader);
      EXPECT_EQ(batches.size(), 13u);  // a micro-batch that lost its only sample is still delivered
      EXPECT_EQ(std::count_if(batches.begin(), batches.end(),
                              [](const Batch& b) { return b.keys.empty() && b.fields.empty(); }),
                3);
      EXPECT_EQ(loader.counts().skipped, 3);
      size_t told = 0;
      for (const Batch& batch : batches) told += batch.skipped.size();
      EXPECT_EQ(told, 3u);
      EXPECT_EQ(loader.counts().samples, 10);
    }
  }
  std::map<std::string, std::string> reasons;
  std::ifstream file(list);
  for (std::string text; std::getline(file, text);) {
    const Json row = Json::parse(text);
    EXPECT_TRUE(reasons.try_emplace(row["key"], row["reason"]).second) << text;  // once, not once an epoch
    EXPECT_TRUE(row["file"].get<std::string>().starts_with(folder_.path().string()));
  }
  EXPECT_EQ(reasons.size(), 3u);
  EXPECT_EQ(reasons["bad3"], "the label is refused");
  EXPECT_EQ(reasons["bad2"], (folder_.path() / "gone.wav").string() + ": the audio file does not exist");
}

TEST(SkipList, SaysWhenItIsTooMuch) {
  const SkipList skips(0.1, nullptr);
  EXPECT_TRUE(skips.allows(2, 20));
  EXPECT_FALSE(skips.allows(2, 19));
  EXPECT_EQ(test::message_of([&] { skips.check(2, 20, {}); }), "");
  EXPECT_EQ(
      test::message_of([&] { skips.check(2, 13, {"bad2", "gone.wav", "gone.wav: the audio file does not exist"}); }),
      "2 of the epoch's 13 samples could not be used, more than data.max_skipped = 0.1 allows; the last is 'bad2': "
      "gone.wav: the audio file does not exist. Mend or remove what skipped.jsonl lists, or raise "
      "data.max_skipped");
}

// The run goes on, with its counts, when the list of what it skips cannot be written.
TEST_F(LoaderTest, AFullDiskCostsTheListOnly) {
  manifest_ += line("bad1", "gone1.wav", 1) + line("bad2", "gone2.wav", 1);
  for (const std::string list : {"/dev/full", "/nonexistent/skipped.jsonl"}) {
    testing::internal::CaptureStderr();
    Loader loader(data(small_config(4, 2), {7, false}, std::make_shared<SkipList>(1, SkipList::append_to(list))), {});
    while (loader.next()) {
    }
    const std::string told = testing::internal::GetCapturedStderr();
    EXPECT_EQ(loader.counts().skipped, 2);
    const std::string reason = list == "/dev/full" ? "No space left on device" : "No such file or directory";
    const std::string warning =
        list + ": cannot be written to: " + reason + "; samples that cannot be used are counted";
    EXPECT_NE(told.find(warning), std::string::npos) << told;
    EXPECT_EQ(told.find(warning), told.rfind(warning)) << told;
    EXPECT_NE(told.find("the first is 'bad1': " + (folder_.path() / "gone1.wav").string()), std::string::npos) << told;
  }
}

TEST_F(LoaderTest, NoLineOfTheListIsHalfWritten) {
  const std::string list = folder_.write("skipped.jsonl", "{}\n");
  const auto append = SkipList::append_to(list);
  const rlimit whole = [] {
    rlimit now{};
    getrlimit(RLIMIT_FSIZE, &now);
    return now;
  }();
  const rlimit full{20, whole.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &full);
  append({"lost", "lost.wav", "lost.wav: the audio file does not exist"});
  setrlimit(RLIMIT_FSIZE, &whole);
  append({"b", "b.wav", "bad"});
  std::stringstream text;
  text << std::ifstream(list).rdbuf();
  EXPECT_EQ(text.str(),
            "{}\n"
            R"({"key":"b","file":"b.wav","reason":"bad"})"
            "\n");
}

TEST_F(LoaderTest, FailsAtTheFirstWhereAskedTo) {
  manifest_ += line("bad", "gone.wav", 1);
  DataConfig config = small_config(4, 2);
  config.on_error = OnError::kFail;
  EXPECT_EQ(test::message_of([&] { read_all(data(config)); }),
            (folder_.path() / "m.jsonl").string() + ":11: sample 'bad': " + (folder_.path() / "gone.wav").string() +
                ": the audio file does not exist. Mend or remove it, or set data.on_error to skip");
}

TEST_F(LoaderTest, AFaultOfTheRecipeIsNotSkipped) {
  manifest_ += line("odd", "0.wav", 0.2, "break me");
  for (const int64_t threads : {0, 2}) {
    EXPECT_EQ(test::message_of([&] { read_all(data(small_config(4, threads))); }),
              (folder_.path() / "m.jsonl").string() + ":11: sample 'odd' (" + (folder_.path() / "0.wav").string() +
                  "): the recipe is broken");
  }
}

TEST_F(LoaderTest, CanBeLeftAtAnyMoment) {
  for (int taken = 0; taken < 3; ++taken) {
    Loader loader(data(small_config(1, 4)), {});
    for (int i = 0; i < taken; ++i) EXPECT_TRUE(loader.next());
  }
}

TEST_F(LoaderTest, NamesTheSamplesThatItWaitsFor) {
  using std::chrono::milliseconds;
  for (const int64_t threads : {0, 2}) {
    auto file = std::make_unique<test::HangingFile>((folder_.path() / "2.wav").string());
    if (!file->hangs()) GTEST_SKIP() << "needs a file system with leases (fcntl F_SETLEASE)";
    Loader loader(data(small_config(4, threads), {7, false}), {});  // k0 to k3 first
    std::vector<std::string> missing;
    for (int i = 0; i < 100 && missing != std::vector<std::string>{"k2"}; ++i) {
      missing = loader.missing_after(milliseconds(50));
      // One thread takes one sample after the other.
      if (threads == 0 && missing == std::vector<std::string>{"k2", "k3"}) break;
    }
    EXPECT_EQ(missing, threads == 0 ? std::vector<std::string>({"k2", "k3"}) : std::vector<std::string>{"k2"});
    file.reset();
    EXPECT_EQ(loader.missing_after(milliseconds(20'000)), std::vector<std::string>());
    EXPECT_EQ(loader.next()->keys, std::vector<std::string>({"k0", "k1", "k2", "k3"}));
    while (loader.next()) {
    }
    EXPECT_EQ(loader.missing_after(milliseconds(20'000)), std::vector<std::string>());  // the epoch's end
  }
}

TEST_F(LoaderTest, LeavesTorchsThreadsAlone) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  read_all(data(small_config(3, 3)));
  EXPECT_EQ(at::get_num_threads(), 2);
  int in_a_new_thread = 0;
  std::thread([&] { in_a_new_thread = at::get_num_threads(); }).join();
  EXPECT_EQ(in_a_new_thread, 2);
  at::set_num_threads(before);
}

}  // namespace
}  // namespace usam::data
