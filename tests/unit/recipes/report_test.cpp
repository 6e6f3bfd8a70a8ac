// What a report takes of the clips, and what it calls the test sets.
#include "recipes/report/clip.h"

#include "data/audio/decode.h"
#include "recipes/evaluation.h"
#include "src/base/fs.h"
#include "tests/support.h"
#include "tests/train/corpus.h"
#include "tests/unit/data/tars.h"

namespace usam::recipes {
namespace {

class ReportClip : public testing::Test {
 protected:
  data::Row row_of(const std::string& name) const {
    data::Row row;
    row.audios = {{.path = (folder_.path() / name).string()}};
    return row;
  }
  test::TemporaryFolder folder_;
};

TEST_F(ReportClip, IsTheBeginningAtSixteenKilohertz) {
  test::write_wav(folder_.path() / "a.wav", test::sound(440, 1.5, {24000, 2}), {24000, 2});
  const auto clip = read_shown(row_of("a.wav"));
  EXPECT_EQ(clip.samples.numel(), 24000);
  EXPECT_EQ(clip.seconds, 1.5);
  EXPECT_FALSE(clip.is_cut);
  auto row = row_of("a.wav");
  row.audio().is_part = true;
  row.audio().offset = 0.5;
  row.seconds = 0.25;
  EXPECT_EQ(read_shown(row).samples.numel(), 4000);
  EXPECT_EQ(read_shown(row).seconds, 0.25);
  row.audio().path = folder_.write("b.wav", "no audio");
  EXPECT_NE(test::message_of([&] { read_shown(row); }).find("b.wav"), std::string::npos);
}

TEST_F(ReportClip, WavIsWhatItWas) {
  const auto samples = torch::tensor({0.0F, 0.5F, -0.5F, 1.0F, -1.0F, 2.0F, -2.0F});
  const auto path = folder_.write("a.wav", wav_bytes(samples, 16000));
  const auto read = data::audio::decode(path);
  EXPECT_EQ(read.sample_rate, 16000);
  EXPECT_TRUE(torch::allclose(read.samples, samples.clamp(-1, 1), 0, 1.0 / 32767));
}

TEST_F(ReportClip, TakesTheFileItselfWhereABrowserPlaysItAndItIsSmaller) {
  ShownClip clip{torch::zeros({1000}), 0.0625, false, row_of("a.flac")};
  folder_.write("a.flac", "fLaC and more");
  EXPECT_EQ(audio_uri(clip).substr(0, 23), "data:audio/flac;base64,");
  folder_.write("a.flac", "ID3 and more");
  EXPECT_EQ(audio_uri(clip).substr(0, 23), "data:audio/mpeg;base64,");
  folder_.write("a.flac", "OggS and more");
  EXPECT_EQ(audio_uri(clip).substr(0, 22), "data:audio/ogg;base64,");
  const std::string wav = "data:audio/wav;base64,";
  folder_.write("a.flac", "RIFF");
  EXPECT_EQ(audio_uri(clip).substr(0, 22), wav);
  folder_.write("a.flac", "fLaC" + std::string(3000, ' '));
  EXPECT_EQ(audio_uri(clip).substr(0, 22), wav);
  folder_.write("a.flac", "fLaC and more");
  clip.is_cut = true;
  EXPECT_EQ(audio_uri(clip).substr(0, 22), wav);
}

TEST_F(ReportClip, AMemberOfATarIsTakenOutOfIt) {
  using namespace data::test_support;
  const std::string flac = "fLaC and more", wav = wav_of(0.25);
  const std::string path = folder_.write("a.tar", tar_member("a.flac", flac) + tar_member("b.wav", wav) + tar_end());
  data::Row row;
  row.audios = {{.path = path, .member = "a.flac", .begin = 512, .bytes = std::ssize(flac)}};
  EXPECT_EQ(audio_uri({torch::zeros({1000}), 0.0625, false, row}), "data:audio/flac;base64,ZkxhQyBhbmQgbW9yZQ==");
  row.audios = {{.path = path, .member = "b.wav", .begin = 1536, .bytes = std::ssize(wav)}};
  EXPECT_EQ(read_shown(row).samples.numel(), 4000);
}

TEST_F(ReportClip, LinksAreRelativeAndEscaped) {
  data::Row row;
  row.audios = {{.path = "/data/a b/50%#1?.wav"}};
  EXPECT_EQ(audio_link(row, "/data/runs/out"), "../../a%20b/50%25%231%3F.wav");
  row.audio().is_part = true;
  row.audio().offset = 2.5;
  row.seconds = 10;
  EXPECT_EQ(audio_link(row, "/data/runs/out"), "../../a%20b/50%25%231%3F.wav#t=2.5,12.5");
}

// A tone of 1 kHz is one bright line a third of the height from below (HTK's mel), from its beginning.
TEST_F(ReportClip, SpectrogramsAreSmallImages) {
  for (const double seconds : {0.001, 1.0, 30.0}) {
    const auto samples = test::sound(1000, seconds);
    const auto png = spectrogram_png(torch::tensor(std::vector<float>(samples.begin(), samples.end())));
    EXPECT_EQ(png.substr(1, 3), "PNG");
    const auto byte = [&](size_t i) { return static_cast<int>(static_cast<uint8_t>(png[i])); };
    EXPECT_EQ(byte(22) * 256 + byte(23), 64);
    EXPECT_EQ(byte(18) * 256 + byte(19), seconds == 30 ? 640 : seconds == 1 ? 101 : 2);
    EXPECT_LT(png.size(), 64U * 640U);
  }
}

// Four tokens, of which the second and the last are dropped.
TEST_F(ReportClip, AMaskLiesWhereItsTokensAreHeard) {
  const ShownClip clip{torch::zeros({32000}), 2, false, {}};
  const auto columns_of = [&](double covered) {
    const auto image =
        masked_spectrogram(clip, {{"seconds", covered}, {"kept", {1, 0, 1, 0}}, {"scores", {0.25, 0.5, 0.75, 1.0}}});
    EXPECT_EQ(image.size(0), 64 + 8);
    const int64_t columns = image.size(1);
    const auto red_T = image.select(2, 0)[0] > image.select(2, 1)[0];
    std::string seen;  // of each eighth: whether it is red, and the score in the strip
    for (int64_t i = 0; i < 8; ++i) {
      const int64_t middle = (2 * i + 1) * columns / 16;
      seen += fmt::format("{}{} ", red_T[middle].item<bool>() ? "-" : "+", image[70][middle][0].item<int>());
    }
    return seen;
  };
  EXPECT_EQ(columns_of(2), "+63 +63 -127 -127 +191 +191 -255 -255 ");
  EXPECT_EQ(columns_of(1), "+63 -127 +191 -255 +0 +0 +0 +0 ");       // the clip was cut for the model
  EXPECT_EQ(columns_of(4), "+63 +63 +63 +63 -127 -127 -127 -127 ");  // the clip is cut for the page
  EXPECT_EQ(masked_spectrogram(clip, Json::object()).sizes(),
            masked_spectrogram(clip, {{"kept", Json::array()}}).sizes());
}

TEST(SetNames, AreFileNamesBehindTheFoldersThatTellThemApart) {
  const auto names = [](const std::vector<std::string>& paths) {
    std::vector<data::ManifestConfig> manifests;
    for (const auto& path : paths) manifests.push_back({{path}, 1});
    return set_names(manifests);
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({"/d/clean.jsonl", "/d/other.jsonl"}), (Names{"clean.jsonl", "other.jsonl"}));
  EXPECT_EQ(names({"/d/a/test.jsonl", "/d/b/test.jsonl", "/d/x.jsonl"}),
            (Names{"a/test.jsonl", "b/test.jsonl", "x.jsonl"}));
  EXPECT_EQ(names({"/en/a/test.jsonl", "/de/a/test.jsonl", "/de/b/test.jsonl"}),
            (Names{"en/a/test.jsonl", "de/a/test.jsonl", "b/test.jsonl"}));
  EXPECT_EQ(names({"/a/test.jsonl", "/test.jsonl"}), (Names{"a/test.jsonl", "test.jsonl"}));
  EXPECT_EQ(names({"/a/test.jsonl", "/a/test.jsonl"}), (Names{"a/test.jsonl", "a/test.jsonl"}));
}

}  // namespace
}  // namespace usam::recipes
