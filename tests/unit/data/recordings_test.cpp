// Noise, music and rooms from manifests; crops.
#include "data/augment/recordings.h"

#include <fstream>
#include <numeric>

#include "data/augment/augmenter.h"
#include "data/augment/mix.h"
#include "data/augment/reverb.h"
#include "data/augment/wave_augment.h"
#include "data/loader.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

using test_support::line;
using test_support::small_config;
using test_support::small_plan;
using test_support::tone;
using test_support::write_wav;

std::vector<float> values(const torch::Tensor& x) {
  const torch::Tensor flat = x.to(torch::kFloat32).contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

torch::Tensor white(int64_t n, uint64_t seed) {
  return 0.1 * unit_noise(n, false, DrawKey(seed));
}

class RecordingsTest : public testing::Test {
 protected:
  // A manifest of recordings that were written before.
  std::string manifest(const std::string& name, const std::vector<std::pair<std::string, double>>& files) {
    std::string text;
    for (const auto& [file, seconds] : files) text += line(file, file, seconds);
    return folder_.write(name, text);
  }
  MixConfig mix(const std::string& path, double snr_db) { return {{path}, {snr_db, snr_db}, 1, {}}; }
  double ratio_db(const torch::Tensor& clip, const torch::Tensor& changed) {
    return 10 * std::log10(mean_power(clip) / mean_power(changed.to(torch::kFloat64) - clip.to(torch::kFloat64)));
  }
  test::TemporaryFolder folder_;
};

TEST(Looped, CrossfadesEachRoundIntoTheNext) {
  EXPECT_TRUE(torch::equal(looped(torch::arange(6, torch::kFloat32), 4, 2), torch::arange(4, torch::kFloat32)));
  // 8 samples of one, 2 of them faded: a round has 6, and at the seam powers of sine and cosine add up.
  const auto x = looped(torch::ones({8}), 20, 2);
  const float a = std::sin(M_PI / 8), b = std::sin(3 * M_PI / 8);
  const std::vector<float> round = {a + b, a + b, 1, 1, 1, 1};
  for (int64_t i = 0; i < 20; ++i) EXPECT_NEAR(x[i].item<float>(), round[static_cast<size_t>(i % 6)], 1e-6) << i;
  EXPECT_TRUE(torch::equal(looped(torch::ones({8}), 20, 2, 3).narrow(0, 0, 17), x.narrow(0, 3, 17)));
  const auto noise = white(8000, 1);  // the power of noise stays, at the seams too
  const auto loop = looped(noise, 80000, 320);
  EXPECT_NEAR(mean_power(loop) / mean_power(noise), 1, 0.05);
  EXPECT_NEAR(mean_power(loop.narrow(0, 7680, 320)) / mean_power(noise), 1, 0.25);
  EXPECT_TRUE(torch::equal(looped(torch::ones({1}), 3, 5), torch::ones({3})));
}

// y[i] = sum over k of x[i + d - k] h[k], d the direct path, scaled to x's power: summed term by term in float64.
TEST(Reverb, EqualsTheConvolutionByItsFormula) {
  const auto x = values(white(900, 2));
  std::vector<float> h(401);
  for (size_t k = 0; k < h.size(); ++k)
    h[k] = k < 37 ? 0.01F : std::exp(-static_cast<float>(k - 37) / 60) * ((k * 7919) % 13 < 6 ? -0.5F : 0.5F);
  h[37] = -1;
  std::vector<double> y(x.size());
  for (size_t i = 0; i < y.size(); ++i)
    for (size_t k = 0; k < h.size(); ++k)
      if (i + 37 >= k && i + 37 - k < x.size()) y[i] += static_cast<double>(x[i + 37 - k]) * h[k];
  const auto power = [](const auto& v) { return std::inner_product(v.begin(), v.end(), v.begin(), 0.0); };
  const double scale = std::sqrt(power(x) / power(y));
  const auto got = values(reverberate(torch::tensor(x), torch::tensor(h)));
  ASSERT_EQ(got.size(), x.size());
  for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(got[i], scale * y[i], 2e-6) << i;
}

TEST(Reverb, KeepsPlaceLevelAndSilence) {
  auto click = torch::zeros({1000});
  click[400] = 0.5;
  auto late = torch::zeros({300});
  late[120] = 2;  // a room without echoes whose sound comes 120 samples late
  EXPECT_TRUE(torch::allclose(reverberate(click, late), click, 0, 1e-6));
  const auto x = white(3000, 3);
  EXPECT_NEAR(mean_power(reverberate(x, white(700, 4))), mean_power(x), 1e-9);
  EXPECT_TRUE(torch::equal(reverberate(torch::zeros({50}), late), torch::zeros({50})));
  EXPECT_TRUE(torch::equal(reverberate(x, torch::zeros({50})), x));
  EXPECT_EQ(reverberate(torch::ones({1}), late).numel(), 1);
}

TEST_F(RecordingsTest, ReachTheRatioAtAnyRateAndLength) {
  write_wav(folder_, "short.wav", values(white(4000, 5)), 8000);      // half a second
  write_wav(folder_, "long.wav", values(white(66150, 6)), 22050);     // three
  write_wav(folder_, "hour.wav", values(white(90 * 4000, 7)), 4000);  // 90 s: read by stretches
  const auto clip = 0.3 * torch::sin(torch::arange(32000) * 0.05);
  for (const auto& [file, seconds] : std::map<std::string, double>{{"short", 0.5}, {"long", 3}, {"hour", 90}}) {
    AugmentConfig config;
    config.noise = {mix(manifest(file + ".jsonl", {{file + ".wav", seconds}}), 7.5)};
    const Augmenter augment(config, nullptr);
    std::set<double> sums;
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const auto changed = augment.change(clip, 16000 * 1.1, "ASR", DrawKey(seed));
      EXPECT_NEAR(ratio_db(clip, changed), 7.5, 0.01) << file;
      EXPECT_TRUE(torch::equal(changed, augment.change(clip, 16000 * 1.1, "ASR", DrawKey(seed))));
      sums.insert(changed.sum().item<double>());
    }
    EXPECT_EQ(sums.size(), 5u) << file << ": the same stretch each time";
    EXPECT_TRUE(torch::equal(augment.change(torch::zeros({500}), 16000, "ASR", DrawKey(0)), torch::zeros({500})));
  }
}

TEST_F(RecordingsTest, AStretchIsWhatStandsInTheFile) {
  std::vector<float> ramp(64000);
  for (size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<float>(i + 1) / 65536;
  write_wav(folder_, "ramp.wav", ramp);
  const auto cache = std::make_shared<WaveCache>(10);
  const Recordings recordings("noise", manifest("m.jsonl", {{"ramp.wav", 4}}), cache, nullptr);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto x = recordings.draw_stretch(1000, 16000, DrawKey(seed));
    EXPECT_TRUE(torch::equal(x, x[0] + torch::arange(1000) / 65536.0));
  }
  EXPECT_EQ(recordings.draw_response(16000, DrawKey(0)).numel(), 64000);
}

TEST_F(RecordingsTest, EachKindIsDrawnByItself) {
  write_wav(folder_, "n.wav", values(white(16000, 8)));
  write_wav(folder_, "m.wav", tone(1, 300));
  AugmentConfig config;
  config.noise = {mix(manifest("n.jsonl", {{"n.wav", 1}}), 10)};
  const auto clip = 0.3 * torch::sin(torch::arange(16000) * 0.05);
  const auto noise = Augmenter(config, nullptr).change(clip, 16000, "ASR", DrawKey(1)) - clip;
  config.music = {mix(manifest("m.jsonl", {{"m.wav", 1}}), 20)};
  config.music[0].tasks = {"ASR"};
  const auto both = Augmenter(config, nullptr).change(clip, 16000, "ASR", DrawKey(1)) - clip;
  EXPECT_NEAR(ratio_db(clip, both - noise + clip), 20, 0.01);  // of the clip alone
  const auto other = Augmenter(config, nullptr).change(clip, 16000, "MC", DrawKey(1)) - clip;
  EXPECT_TRUE(torch::allclose(other, noise, 0, 1e-6));
  config.noise[0].probability = 0;
  EXPECT_TRUE(torch::equal(Augmenter(config, nullptr).change(clip, 16000, "MC", DrawKey(1)), clip));
  config.noise[0].probability = 0.3;
  int changed = 0;
  const Augmenter augment(config, nullptr);
  for (uint64_t seed = 0; seed < 200; ++seed)
    changed += !torch::equal(augment.change(clip, 16000, "MC", DrawKey(seed)), clip);
  EXPECT_NEAR(changed, 60, 25);
}

// Speed, then the room, then noise, then gain: the noise is not reverberated, and its ratio is to what the room gave.
TEST_F(RecordingsTest, TheOrder) {
  write_wav(folder_, "n.wav", values(white(16000, 9)));
  std::vector<float> room(800);
  for (size_t k = 0; k < room.size(); ++k) room[k] = (k == 0 ? 1.0F : 0.05F) * std::exp(-static_cast<float>(k) / 200);
  write_wav(folder_, "r.wav", room);
  AugmentConfig config;
  config.reverb = ReverbConfig{{manifest("r.jsonl", {{"r.wav", 0.05}})}, 1, {}};
  const auto clip = white(16000, 10);
  const auto heard = Augmenter(config, nullptr).change(clip, 16000, "ASR", DrawKey(3));
  EXPECT_TRUE(torch::allclose(heard, reverberate(clip, torch::tensor(room)), 0, 1e-6));
  config.noise = {mix(manifest("n.jsonl", {{"n.wav", 1}}), 3)};
  const auto noisy = Augmenter(config, nullptr).change(clip, 16000, "ASR", DrawKey(3));
  EXPECT_NEAR(ratio_db(heard, noisy), 3, 0.01);
  config.gain_db = 6;
  const auto loud = Augmenter(config, nullptr).change(clip, 16000, "ASR", DrawKey(3));
  EXPECT_TRUE(torch::allclose(loud / loud.abs().max(), noisy / noisy.abs().max(), 0, 1e-5));
}

TEST_F(RecordingsTest, UnusableOnesAreListedOnceAndGiveTheirPlaceToOthers) {
  for (const char* name : {"a.wav", "b.wav", "c.wav"}) write_wav(folder_, name, values(white(16000, 11)));
  write_wav(folder_, "silent.wav", std::vector<float>(8000));
  folder_.write("broken.wav", "RIFF no audio");
  const auto path = manifest(
      "m.jsonl", {{"a.wav", 1}, {"b.wav", 1}, {"c.wav", 1}, {"silent.wav", 0.5}, {"broken.wav", 1}, {"none.wav", 1}});
  std::map<std::string, std::string> listed;
  int reports = 0;
  const Recordings recordings("data.augment.noise", path, std::make_shared<WaveCache>(1), [&](const Skipped& skipped) {
    ++reports;
    listed[skipped.key] = skipped.reason;
  });
  for (uint64_t seed = 0; seed < 30; ++seed)
    EXPECT_TRUE(recordings.draw_stretch(100, 16000, DrawKey(seed)).defined()) << seed;
  EXPECT_EQ(reports, 3);
  const auto file = [&](const std::string& name) { return (folder_.path() / name).string(); };
  EXPECT_EQ(listed["data.augment.noise: silent.wav"], file("silent.wav") + ": the recording is silent");
  EXPECT_EQ(listed["data.augment.noise: none.wav"], file("none.wav") + ": the audio file does not exist");
  EXPECT_TRUE(listed.contains("data.augment.noise: broken.wav"));

  const auto bad = manifest("bad.jsonl", {{"none.wav", 1}, {"broken.wav", 1}});
  EXPECT_EQ(test::message_of([&] { Recordings("data.augment.reverb", bad, std::make_shared<WaveCache>(1), nullptr); }),
            "data.augment.reverb: none of the first 2 recordings of " + bad + " can be read: " + file("none.wav") +
                ": the audio file does not exist");
}

TEST_F(RecordingsTest, TheirIndicesLieWhereTheConfigSays) {
  write_wav(folder_, "n.wav", values(white(1600, 14)));
  DataConfig config = small_config();
  config.index_dir.value = (folder_.path() / "indices").string();
  const auto many = [&](const std::string& name) {
    std::string text;
    for (int64_t i = 0; i <= kMinStoredRows; ++i) text += line(fmt::format("n{}", i), "n.wav", 0.1);
    return folder_.write(name, text);
  };
  config.augment.noise = {mix(many("noise.jsonl"), 10)};
  config.augment.reverb = ReverbConfig{{many("rooms.jsonl")}, 1, {}};
  const DataSet set(Manifest::open(manifest("m.jsonl", {{"n.wav", 0.1}})), small_plan(), config, {7, true});
  const auto indices = [](const std::filesystem::path& folder) {
    return std::ranges::count_if(std::filesystem::directory_iterator(folder),
                                 [](const auto& file) { return file.path().extension() == ".usam-index"; });
  };
  EXPECT_EQ(indices(folder_.path() / "indices"), 2);
  EXPECT_EQ(indices(folder_.path()), 0);
}

TEST(WaveCacheTest, KeepsTheLastUsedWithinItsBounds) {
  WaveCache cache(1);  // two of 100,000 samples
  int decoded = 0;
  const auto get = [&](const std::string& key) {
    const int before = decoded;
    cache.get(key, [&] {
      ++decoded;
      return audio::Audio{torch::zeros({100000}), 16000};
    });
    return decoded == before;
  };
  EXPECT_FALSE(get("a"));
  EXPECT_FALSE(get("b"));
  EXPECT_TRUE(get("a"));
  EXPECT_FALSE(get("c"));  // b goes
  EXPECT_TRUE(get("a"));
  EXPECT_FALSE(get("b"));
  WaveCache none(0);
  none.get("a", [] { return audio::Audio{torch::zeros({10}), 16000}; });
  bool is_decoded = false;
  none.get("a", [&] { return is_decoded = true, audio::Audio{torch::zeros({10}), 16000}; });
  EXPECT_TRUE(is_decoded);
}

TEST(AugmenterCrop, TakesAnyStretchOfLongerClips) {
  AugmentConfig config;
  config.crop = CropConfig{{2, 4}, 1, {"SEC"}};
  config.speed = {2};
  Row row;
  row.task = "SEC";
  row.seconds = 100;
  row.audios = {{.path = "x", .is_part = true, .offset = 50}};
  const Augmenter augment(config, nullptr);
  double least = 1e9, most = 0, shortest = 1e9, longest = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const auto crop = augment.draw_crop(row, 30, DrawKey(seed));
    ASSERT_TRUE(crop);
    EXPECT_EQ(crop->speed, 2);
    least = std::min(least, crop->part.offset);
    most = std::max(most, crop->part.offset + crop->part.seconds);
    shortest = std::min(shortest, crop->part.seconds);
    longest = std::max(longest, crop->part.seconds);
  }
  EXPECT_GE(least, 50);
  EXPECT_LT(least, 52);
  EXPECT_LE(most, 150);
  EXPECT_GT(most, 148);
  EXPECT_NEAR(shortest, 4, 0.1);  // seconds as they are heard, at twice the speed
  EXPECT_NEAR(longest, 8, 0.1);
  EXPECT_NEAR(augment.draw_crop(row, 1.5, DrawKey(0))->part.seconds, 3, 1e-9);
  row.seconds = 3;
  EXPECT_FALSE(augment.draw_crop(row, 30, DrawKey(0)));
  row.seconds = 100;
  row.task = "AAC";
  EXPECT_FALSE(augment.draw_crop(row, 30, DrawKey(0)));
}

// Eight clips, the even ones of the task SEC, with every change there is.
class AugmentedLoading : public RecordingsTest {
 protected:
  AugmentedLoading() {
    for (int i = 0; i < 8; ++i) {
      write_wav(folder_, fmt::format("{}.wav", i), tone(0.5 + 0.1 * i, 200 + 50 * i));
      std::string row = line(fmt::format("k{}", i), fmt::format("{}.wav", i), 0.5 + 0.1 * i);
      if (i % 2 == 0) row.replace(row.find("ASR"), 3, "SEC");
      rows_ += row;
    }
    write_wav(folder_, "n.wav", values(white(16000, 12)), 8000);
    write_wav(folder_, "r.wav", values(white(800, 13)), 44100);
    config_.batch.rows = 3;
    config_.augment.speed = {0.9, 1.1};
    config_.augment.crop = CropConfig{{0.3, 0.4}, 1, {"SEC"}};
    config_.augment.reverb = ReverbConfig{{manifest("r.jsonl", {{"r.wav", 0.02}})}, 0.5, {}};
    config_.augment.noise = {mix(manifest("n.jsonl", {{"n.wav", 2}, {"none.wav", 1}}), 10)};
    config_.augment.gain_db = 3;
  }
  // All clips' waves of an epoch by their keys.
  std::map<std::string, torch::Tensor> waves(int64_t epoch, std::shared_ptr<SkipList> skips = nullptr,
                                             Use use = {7, true}) {
    const auto data = std::make_shared<DataSet>(Manifest::open(folder_.write("rows.jsonl", rows_)), small_plan(),
                                                config_, use, std::move(skips));
    Loader loader(data, {{epoch, 0}});
    std::map<std::string, torch::Tensor> all;
    while (const auto batch = loader.next()) {
      const BatchField& wave = batch->field("wave");
      for (int64_t b = 0; b < batch->size(); ++b)
        all[batch->keys[static_cast<size_t>(b)]] = wave.data[b].narrow(0, 0, wave.lengths_B[b].item<int64_t>());
    }
    return all;
  }
  std::string rows_;
  DataConfig config_ = small_config(3, 0);
};

TEST_F(AugmentedLoading, IsTheSameForAnyThreadsAndNewEachEpoch) {
  const auto first = waves(0);
  ASSERT_EQ(first.size(), 8u);
  const auto expect_equal = [&](const std::map<std::string, torch::Tensor>& other) {
    for (const auto& [key, wave] : first) EXPECT_TRUE(torch::equal(other.at(key), wave)) << key;
  };
  for (const int64_t threads : {1, 4, 16}) {
    config_.threads = threads;
    expect_equal(waves(0));
  }
  config_.augment.recordings_memory = 0;
  config_.cache_memory = 50;  // which waves that change are kept out of
  expect_equal(waves(0));
  const auto second = waves(1);
  for (const auto& [key, wave] : first) EXPECT_FALSE(torch::equal(second.at(key), wave)) << key;
  for (const auto& [key, wave] : first) EXPECT_TRUE(wave.isfinite().all().item<bool>());
}

TEST_F(AugmentedLoading, CropsOnlyWhatItMay) {
  config_.augment = {};
  config_.augment.crop = CropConfig{{0.3, 0.4}, 1, {"SEC"}};
  config_.max_seconds = 1;  // the longest clip has 1.2 s
  for (const auto& [key, wave] : waves(0)) {
    const int number = key[1] - '0';
    const double seconds = static_cast<double>(wave.numel()) / 24000;
    if (number % 2 == 0) {
      EXPECT_GE(seconds, 0.299) << key;
      EXPECT_LE(seconds, 0.401) << key;
    } else {
      EXPECT_NEAR(seconds, std::min(0.5 + 0.1 * number, 1.0), 1e-3) << key;
    }
  }
  // A row whose length is wrong in the manifest is used whole where the crop lies behind its end.
  rows_ = line("k0", "0.wav", 500);
  rows_.replace(rows_.find("ASR"), 3, "SEC");
  EXPECT_EQ(waves(0).at("k0").numel(), 12000);
}

TEST_F(AugmentedLoading, MasksTheClipsOfItsTasksOnly) {
  config_.augment = {};
  config_.batch.rows = 8;
  config_.shuffle = false;
  const auto mel = [&] {
    const auto data = std::make_shared<DataSet>(Manifest::open(folder_.write("rows.jsonl", rows_)), small_plan(),
                                                config_, Use{7, true});
    return Loader(data, {}).next()->field("mel").data;
  };
  const torch::Tensor plain = mel();
  config_.augment.spec = {.time_masks = 4, .frequency_masks = 4, .tasks = {"SEC"}};
  const torch::Tensor masked = mel();
  for (int64_t b = 0; b < 8; ++b) EXPECT_EQ(torch::equal(masked[b], plain[b]), b % 2 == 1) << b;
}

TEST_F(AugmentedLoading, ListsUnusableRecordingsAndTouchesNoEvaluation) {
  std::set<std::string> keys;
  const auto skips = std::make_shared<SkipList>(0, [&](const Skipped& skipped) { keys.insert(skipped.key); });
  config_.threads = 4;
  for (int64_t epoch = 0; epoch < 3; ++epoch) EXPECT_EQ(waves(epoch, skips).size(), 8u);
  EXPECT_EQ(keys, std::set<std::string>{"data.augment.noise: none.wav"});
  const auto plain = waves(0, nullptr, {7, false});
  config_.augment = {};
  for (const auto& [key, wave] : waves(0, nullptr, {7, false})) EXPECT_TRUE(torch::equal(plain.at(key), wave));
}

}  // namespace
}  // namespace usam::data
