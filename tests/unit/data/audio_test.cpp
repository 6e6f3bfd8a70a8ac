#include <filesystem>
#include <fstream>

#include "data/audio/decode.h"
#include "data/audio/resample.h"
#include "src/base/json.h"
#include "tests/unit/data/support.h"

namespace usam::data::audio {
namespace {

using test_support::tone;
using test_support::write_wav;

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

}  // namespace
}  // namespace usam::data::audio
