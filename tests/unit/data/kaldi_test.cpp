#include "data/sources/kaldi.h"

#include "data/sources/open.h"
#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

class Kaldi : public ::testing::Test {
 protected:
  std::shared_ptr<const Source> open() {
    ManifestConfig config;
    config.path.value = folder_.path().string();
    config.task = "ASR";
    return open_manifests({config});
  }
  // The message, with the folder's name left out.
  std::string message() {
    std::string text = test::message_of([&] { open(); });
    const std::string name = folder_.path().string() + "/";
    for (size_t at = text.find(name); at != std::string::npos; at = text.find(name)) text.erase(at, name.size());
    return text;
  }
  test::TemporaryFolder folder_;
};

TEST_F(Kaldi, Utterances) {
  folder_.write("wav.scp", "u1 a.wav\nu2\t/abs/b c.wav\r\n");
  folder_.write("text", "u2 two  words\nu1 one\nu3 gone\n");
  folder_.write("utt2dur", "u1 1.5\nu2 2\n");
  folder_.write("utt2spk", "u1 anna\nu2 bea\n");
  folder_.write("utt2lang", "u1 de\n");
  const auto source = open();
  ASSERT_EQ(source->size(), 2);
  const Row a = source->row(0), b = source->row(1);
  EXPECT_EQ(a.key, "u1");
  EXPECT_EQ(a.audio().path, (folder_.path() / "a.wav").string());
  EXPECT_FALSE(a.audio().is_part);
  EXPECT_EQ(a.seconds, 1.5);
  EXPECT_EQ(a.references.front(), "one");
  EXPECT_EQ(a.extra, R"({"spk":"anna","lang":"de"})");
  EXPECT_EQ(a.task, "ASR");
  EXPECT_EQ(b.audio().path, "/abs/b c.wav");
  EXPECT_EQ(b.references.front(), "two  words");
  EXPECT_EQ(source->place(1), (folder_.path() / "wav.scp").string() + ":2");
}

TEST_F(Kaldi, Segments) {
  folder_.write("wav.scp", "r1 a.wav\nr2 b.wav\n");
  folder_.write("segments", "u1 r1 0.3 0.4\n\nu2 r2 1 2.5 0\nu3 r1 5 -1\n");
  folder_.write("text", "u1 one\nu2 two\nu3 three\n");
  const auto source = open();
  ASSERT_EQ(source->size(), 3);
  EXPECT_EQ(source->row(0).audio().offset, 0.3);
  EXPECT_EQ(source->seconds(0), 0.1);
  EXPECT_TRUE(source->row(1).audio().is_part);
  EXPECT_EQ(source->row(1).audio().path, (folder_.path() / "b.wav").string());
  EXPECT_EQ(source->place(1), (folder_.path() / "segments").string() + ":3");
  EXPECT_EQ(source->seconds(2), 0);  // up to the end, of a file that is not there
}

TEST_F(Kaldi, Refuses) {
  folder_.write("wav.scp", "u1 sox a.mp3 -t wav - |\nu2 f.ark:123\nu3\nu4 a.wav\nu5 a.wav\n");
  EXPECT_EQ(message(),
            folder_.path().string() + ": the Kaldi folder holds no 'text', which names the utterances' transcripts");
  folder_.write("text", "u1 a\nu2 b\nu3 c\nu4 d\nu4 e\n");
  EXPECT_EQ(message(),
            "text:5: 'u4' stands twice in the list\n"
            "wav.scp:1: 'sox a.mp3 -t wav - |' is a command, which usam does not run; store what it writes as a file\n"
            "wav.scp:2: 'f.ark:123' is a place in an archive, which usam does not read; store the recordings as files\n"
            "wav.scp:3: a path is missing\n"
            "wav.scp:5: utterance 'u5' has no line in 'text'; utils/fix_data_dir.sh mends such folders");
  EXPECT_NE(message(), "");  // again: nothing of it was kept
  folder_.write("wav.scp", "r a.wav\n");
  folder_.write("text", "u1 a\nu2 b\nu3 c\nu4 \xff\nu5 d\n");
  folder_.write("segments", "u1 r 1\nu2 r 2 1\nu3 q 1 2\nu4 r 1 2\nu5 r 1 2 1\n");
  EXPECT_EQ(
      message(),
      "segments:1: a segment must be: UTTERANCE RECORDING BEGIN END\n"
      "segments:2: the segment ends where it begins, or before\n"
      "segments:3: recording 'q' has no line in 'wav.scp'\n"
      "segments:4: the line, or the utterance's line in another list, is not UTF-8\n"
      "segments:5: the segment is of channel 1; usam hears the mean of a file's channels: store the channel as a file");
}

TEST_F(Kaldi, AFolderWithoutListsIsNone) {
  ManifestConfig config;
  config.path.value = folder_.path().string();
  config.format = "kaldi";
  EXPECT_EQ(test::message_of([&] { open_manifests({config}); }),
            folder_.path().string() + ": this is no Kaldi folder: it holds no wav.scp");
}

}  // namespace
}  // namespace usam::data
