#include "src/io/events.h"

#include "src/base/error.h"
#include "src/io/png.h"
#include "src/io/tensorboard.h"
#include "tests/support.h"

namespace usam::io {
namespace {

struct Heard {
  std::vector<Event> events;
  bool is_whole = false;
};

Heard all_of(const std::string& path) {
  Heard heard;
  heard.is_whole = read_events(path, [&](Event&& event) {
    heard.events.push_back(std::move(event));
    return true;
  });
  return heard;
}

class Events : public testing::Test {
 protected:
  // A file with an event of each kind.
  std::string write() const {
    EventWriter writer(folder_.path(), 12);
    writer.scalar("train/loss", 12, 0.25);
    writer.text("tables/answers", 13, "| key |");
    writer.image("masks/a", 14, pixels_);
    writer.audio("sounds/a", 15, {"RIFF...", 16000, 4});
    return writer.path();
  }
  std::string bytes_of(const std::string& path) const {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  test::TemporaryFolder folder_;
  torch::Tensor pixels_ = torch::full({2, 3}, 9, torch::kByte);
};

TEST_F(Events, AreReadBack) {
  using Kind = Event::Kind;
  const auto [events, is_whole] = all_of(write());
  EXPECT_TRUE(is_whole);
  ASSERT_EQ(events.size(), 6U);
  const Kind kinds[] = {Kind::kOther, Kind::kResume, Kind::kOther, Kind::kText, Kind::kImage, Kind::kSound};
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].kind, kinds[i]) << i;
    EXPECT_GT(events[i].time, 1.7e9) << i;
  }
  EXPECT_EQ(events[1].step, 12);
  EXPECT_EQ(events[2].tag, "train/loss");
  EXPECT_EQ(events[3].tag, "tables/answers");
  EXPECT_EQ(events[3].bytes, "| key |");
  EXPECT_EQ(events[4].step, 14);
  EXPECT_EQ(events[4].bytes, encode_png(pixels_));
  EXPECT_EQ(events[5].bytes, "RIFF...");
}

TEST_F(Events, EndWhereTheReaderWants) {
  int seen = 0;
  EXPECT_TRUE(read_events(write(), [&](Event&&) { return ++seen < 2; }));
  EXPECT_EQ(seen, 2);
}

TEST_F(Events, OfATornFileAreThoseBeforeTheTear) {
  const std::string bytes = bytes_of(write());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto heard = all_of(folder_.write("torn", bytes.substr(0, size)));
    EXPECT_LT(heard.events.size(), 6U) << size;
  }
  EXPECT_FALSE(all_of(folder_.write("torn", bytes.substr(0, bytes.size() - 1))).is_whole);
}

TEST_F(Events, AChangedByteIsNoticed) {
  const std::string bytes = bytes_of(write());
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    EXPECT_FALSE(all_of(folder_.write("changed", changed)).is_whole) << at;
  }
}

TEST_F(Events, OfAnEmptyFileAreNone) {
  const auto [events, is_whole] = all_of(folder_.write("empty", ""));
  EXPECT_TRUE(is_whole);
  EXPECT_TRUE(events.empty());
  const std::string path = (folder_.path() / "none").string();
  EXPECT_EQ(test::message_of([&] { all_of(path); }), path + ": cannot open the file: No such file or directory");
}

}  // namespace
}  // namespace usam::io
