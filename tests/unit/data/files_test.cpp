#include "data/sources/files.h"

#include "tests/unit/data/support.h"

namespace usam::data {
namespace {

TEST(FileList, TakesDurationsFromHeaders) {
  const test::TemporaryFolder folder;
  const std::string a = test_support::write_wav(folder, "a.wav", test_support::tone(0.5, 440));
  const std::string b = test_support::write_wav(folder, "b.wav", test_support::tone(0.25, 440));
  const FileList files({a, b}, "ASR", "<audio>?");
  ASSERT_EQ(files.size(), 2);
  EXPECT_EQ(files.row(1).audio().path, b);
  EXPECT_EQ(files.row(1).task, "ASR");
  EXPECT_EQ(files.row(1).prompt, "<audio>?");
  EXPECT_DOUBLE_EQ(files.seconds(0), 0.5);
  EXPECT_EQ(files.place(0), a);
}

TEST(FileList, NamesTheFileThatIsNoAudio) {
  const test::TemporaryFolder folder;
  const std::string none = folder.path().string() + "/none.wav";
  EXPECT_EQ(test::message_of([&] { FileList({none}, "ASR", ""); }), none + ": the audio file does not exist");
}

}  // namespace
}  // namespace usam::data
