#include <ctime>
#include <filesystem>
#include <fstream>

#include "data/audio/decode.h"
#include "data/audio/names.h"
#include "data/audio/resample.h"
#include "src/base/json.h"
#include "src/tensor/rng.h"
#include "tests/unit/data/support.h"

namespace usam::data::audio {
namespace {

using test_support::tone;
using test_support::write_wav;

TEST(AudioNames, EndLikeRecordings) {
  for (const char* name : {"a.wav", "/clips/b.c.FLAC", "x.Opus", "phone.m4a"}) EXPECT_TRUE(is_audio_name(name)) << name;
  for (const char* name : {"wav", "a.wav.txt", "clips.wav/readme", "a.", ""}) EXPECT_FALSE(is_audio_name(name)) << name;
}

TEST(Decode, MeanOfChannelsAtTheFilesRate) {
  const test::TemporaryFolder folder;
  const Audio audio = decode(write_wav(folder, "a.wav", {0.5f, -0.25f, 1.f, 0.f, 0.f, 0.75f}, 44100, 2));
  EXPECT_EQ(audio.sample_rate, 44100);
  EXPECT_FALSE(audio.is_cut);
  EXPECT_TRUE(torch::equal(audio.samples, torch::tensor({0.125f, 0.5f, 0.375f})));
}

TEST(Decode, StopsAtTheLimit) {
  const test::TemporaryFolder folder;
  const std::string path = write_wav(folder, "a.wav", tone(3, 440));
  const Audio cut = decode(path, 1.25);
  EXPECT_TRUE(cut.is_cut);
  EXPECT_EQ(cut.samples.numel(), 20000);
  const Audio whole = decode(path, 3);
  EXPECT_FALSE(whole.is_cut);
  EXPECT_TRUE(torch::equal(cut.samples, whole.samples.slice(0, 0, 20000)));
}

// Writes a stereo sweep with pauses and noise in a format of libsndfile.
std::string write_sweep(const test::TemporaryFolder& folder, const std::string& name, int format, int rate,
                        double seconds) {
  const std::string path = (folder.path() / name).string();
  SF_INFO info{};
  info.samplerate = rate;
  info.channels = format & SF_FORMAT_GSM610 ? 1 : 2;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  const torch::Tensor noise = torch::rand({rate}, generator(draw_key(1, name))) - 0.5;
  std::vector<float> second(static_cast<size_t>(rate * info.channels));
  for (int s = 0; s < seconds; ++s) {
    for (int t = 0; t < rate; ++t) {
      const double at = s + static_cast<double>(t) / rate;
      const double sine = std::sin(at * 5) > 0 ? 0.3 * std::sin(2 * M_PI * (200 + 10 * at) * at) : 0;
      for (int c = 0; c < info.channels; ++c)
        second[static_cast<size_t>(t * info.channels + c)] =
            static_cast<float>(sine * (c + 1)) + 0.1f * noise.data_ptr<float>()[(t + 77 * s) % rate];
    }
    sf_writef_float(file, second.data(), rate);
  }
  sf_close(file);
  return path;
}

// A part is what stands there in the whole file, bit for bit, in any order of reading.
TEST(Decode, APartIsCutFromTheWholeFile) {
  const test::TemporaryFolder folder;
  const std::vector<std::string> paths = {
      write_sweep(folder, "a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 11025, 20),
      write_sweep(folder, "b.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 16000, 20),
      write_sweep(folder, "c.wav", SF_FORMAT_WAV | SF_FORMAT_GSM610, 8000, 20),
      write_sweep(folder, "a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 20),
      write_sweep(folder, "a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 20),
      write_sweep(folder, "b.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 16000, 20),
      write_sweep(folder, "a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 22050, 20),
      write_sweep(folder, "a.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 20)};
  const std::vector<Part> parts = {{0, 5},    {4, 5}, {8.0001, 5.33333}, {19, 5}, {3, 0.001},  {2.5, 12.5},
                                   {2.5, 17}, {7.77}, {3, 10},           {4, 1},  {4.5, 0.25}, {4.5, 9}};
  for (const std::string& path : paths) {
    const Audio whole = decode(path);
    const auto rate = static_cast<double>(whole.sample_rate);
    for (const Part& part : parts) {
      const Audio audio = decode(path, 13, part);
      const auto begin = static_cast<int64_t>(std::round(part.offset * rate));
      const auto end = std::min(whole.samples.numel(),
                                static_cast<int64_t>(std::round(std::min(part.offset + part.seconds, 1e3) * rate)));
      const auto cut = std::min(end, begin + static_cast<int64_t>(13 * rate));
      EXPECT_TRUE(torch::equal(audio.samples, whole.samples.slice(0, begin, cut))) << path << " " << part.offset;
      EXPECT_EQ(audio.is_cut, part.seconds == 17) << path << " " << part.offset;
    }
    EXPECT_EQ(
        test::message_of([&] { decode(path, 5, {20.5, 1}); }),
        fmt::format("{}: the part that begins at 20.5 s is not there: the file holds {:.2f} s", path, whole.seconds()));
  }
}

// What was read of a file that is read forward is not taken for another file of its name.
TEST(Decode, APartOfAFileThatChanged) {
  const test::TemporaryFolder folder;
  const int mp3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;
  const std::string path = write_sweep(folder, "a.mp3", mp3, 16000, 6);
  decode(path, 30, {1, 2});
  std::filesystem::rename(write_sweep(folder, "b.mp3", mp3, 16000, 6), path);
  const torch::Tensor whole = decode(path).samples;
  EXPECT_TRUE(torch::equal(decode(path, 30, {2, 2}).samples, whole.slice(0, 32000, 64000)));
}

// Windows in their order cost one reading of the file, not one for each.
TEST(Decode, PartsInTheirOrderReadAFileOnce) {
  const test::TemporaryFolder folder;
  const std::string path = write_sweep(folder, "a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 16000, 60);
  const auto ticks_of = [](const auto& work) {  // of processor time: other processes do not count
    const std::clock_t begin = std::clock();
    work();
    return std::clock() - begin;
  };
  const auto read = [&](double at) { decode(path, 30, {at, 3}); };
  const auto forward = ticks_of([&] {
    for (int at = 0; at < 58; at += 2) read(at);
  });
  const auto backward = ticks_of([&] {
    for (int at = 56; at >= 0; at -= 2) read(at);
  });
  EXPECT_LT(forward, backward / 3);  // 1 reading against 15
}

TEST(Decode, SaysWhatIsWrong) {
  const test::TemporaryFolder folder;
  const std::string f = folder.path().string();
  const auto message = [](const std::string& path) { return test::message_of([&] { decode(path); }); };
  EXPECT_EQ(message(f + "/none.wav"), f + "/none.wav: the audio file does not exist");
  EXPECT_EQ(message(f), f + ": not a file");
  EXPECT_EQ(message(folder.write("empty.wav", "")), f + "/empty.wav: the audio file is empty");
  EXPECT_EQ(message(folder.write("text.wav", "hello")), f + "/text.wav: cannot be read as audio: Format not recognised "
                                                            "(wav, flac, ogg, opus, mp3, aiff, au, caf and w64 can)");
  EXPECT_EQ(message(write_wav(folder, "slow.wav", {0.f, 0.f}, 1)),
            f + "/slow.wav: a sample rate of 1 Hz is outside 1000 to 768000 Hz");
  EXPECT_EQ(message(write_wav(folder, "none.wav", {}, 16000)), f + "/none.wav: the audio file has no samples");
  EXPECT_EQ(message(write_wav(folder, "nan.wav", {0.f, NAN}, 1000)), f + "/nan.wav: a sample at 0.001 s is NaN");
  EXPECT_EQ(message(write_wav(folder, "inf.wav", {0.f, -INFINITY}, 1000)),
            f + "/inf.wav: a sample at 0.001 s is infinite");
  EXPECT_EQ(message(write_wav(folder, "loud.wav", {0.f, 1e30f}, 1000)),
            f + "/loud.wav: a sample at 0.001 s is 1e+30; full scale is 1");
}

TEST(Probe, ReadsTheHeader) {
  const test::TemporaryFolder folder;
  const Info info = probe(write_wav(folder, "a.wav", tone(1.5, 440, 8000), 8000));
  EXPECT_EQ(info.sample_rate, 8000);
  EXPECT_EQ(info.channels, 1);
  EXPECT_DOUBLE_EQ(info.seconds, 1.5);
}

// Each file of ../shared/data/formats as its manifest says a reference decoder reads it.
TEST(Decode, Formats) {
  USAM_NEEDS_SHARED();
  const auto folder = test::shared_folder() / "data/formats";
  std::ifstream manifest(folder / "formats.jsonl");
  int files = 0;
  torch::Tensor music, speech;  // the lossless originals that the other containers must repeat
  for (std::string text; std::getline(manifest, text);) {
    const Json row = Json::parse(text);
    const std::string wav = row["wav"];
    const std::string path = (folder / wav).string();
    ++files;
    if (row["codec"] == "aac") {
      EXPECT_NE(test::message_of([&] { decode(path); }).find("cannot be read as audio"), std::string::npos) << wav;
      continue;
    }
    const Audio audio = decode(path);
    const bool is_opus = row["codec"] == "opus";  // libsndfile decodes at the rate of the original, others at 48 kHz
    if (!is_opus) EXPECT_EQ(audio.sample_rate, row["sr"].get<int64_t>()) << wav;
    EXPECT_EQ(probe(path).channels, row["channels"].get<int64_t>()) << wav;
    const double declared = row["frames"].get<double>() / row["sr"].get<double>(),
                 apart = std::abs(audio.seconds() - declared);
    if (row["lossy"] == false) {
      EXPECT_NEAR(apart, 0, 1e-9) << wav;
    } else {
      EXPECT_LE(apart, 0.05) << wav;
    }
    if (wav == "music_44k1_stereo_s16.wav") music = audio.samples;
    if (wav == "speech_16k_s16.wav") speech = audio.samples;
    const bool is_lossless = row["lossy"] == false && !wav.ends_with("_u8.wav");
    const torch::Tensor& original = wav.starts_with("music_44k1_stereo") ? music : speech;
    if (is_lossless && (wav.starts_with("music_44k1_stereo") || wav.starts_with("speech_")) &&
        original.numel() == audio.samples.numel())
      EXPECT_LT((audio.samples - original).abs().max().item<double>(), 1e-4) << wav;
  }
  EXPECT_EQ(files, 43);
}

TEST(Resample, LengthsAndIdentity) {
  const torch::Tensor x = torch::randn({1000});
  EXPECT_TRUE(resample(x, 16000, 16000).is_same(x));
  EXPECT_EQ(resample(x, 16000, 24000).numel(), 1500);
  EXPECT_EQ(resample(x, 12345, 16000).numel(), 1296);
  EXPECT_EQ(resample(torch::ones({2}), 44100, 16000).numel(), 1);
  EXPECT_EQ(resample(torch::ones({0}), 44100, 16000).numel(), 0);
}

// Ratios of every kind that is done in blocks; lengths around a block's; the loudest samples at the ends.
TEST(ResampleNearly, IsTheSameToAMillionth) {
  torch::manual_seed(5);
  for (const auto& [from, to] :
       {std::pair{16000, 24000}, {8000, 24000}, {8000, 16000}, {12000, 16000}, {6000, 24000}}) {
    for (const int64_t n : {1, 2, 3, 119, 121, 1000, 3856, 3857, 40001}) {
      torch::Tensor x = 0.1 * torch::randn({n});
      x[0] = 0.9;
      x[n - 1] = -0.9;
      const torch::Tensor expected = resample(x, from, to), found = resample_nearly(x, from, to);
      ASSERT_EQ(found.numel(), expected.numel()) << from << " " << to << " " << n;
      EXPECT_LE((found - expected).abs().max().item<double>(), 1e-6) << from << " " << to << " " << n;
    }
  }
  EXPECT_EQ(resample_nearly(torch::ones({0}), 8000, 16000).numel(), 0);
}

TEST(ResampleNearly, LeavesOtherRatesToSoxr) {
  const torch::Tensor x = torch::randn({5000});
  EXPECT_TRUE(resample_nearly(x, 16000, 16000).is_same(x));
  for (const auto& [from, to] :
       {std::pair<double, double>{24000, 16000}, {22050, 24000}, {16000.5, 24000}, {20000, 24000}})
    EXPECT_TRUE(torch::equal(resample_nearly(x, from, to), resample(x, from, to))) << from << " " << to;
}

}  // namespace
}  // namespace usam::data::audio
