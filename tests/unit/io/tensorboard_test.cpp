#include "src/io/tensorboard.h"

#include <zlib.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "src/base/error.h"
#include "src/io/crc32c.h"
#include "src/io/png.h"
#include "tests/support.h"
#include "tests/unit/io/python.h"

namespace usam::io {
namespace {

// The fields of a protocol buffer message, decoded without the writer's code: number -> values as raw bytes.
class Decoded {
 public:
  explicit Decoded(const std::string& bytes) {
    size_t at = 0;
    while (at < bytes.size()) {
      const uint64_t key = varint(bytes, at);
      const int field = static_cast<int>(key >> 3);
      switch (key & 7) {
        case 0:
          numbers_[field] = varint(bytes, at);
          break;
        case 1:
          numbers_[field] = fixed(bytes, at, 8);
          break;
        case 5:
          numbers_[field] = fixed(bytes, at, 4);
          break;
        case 2: {
          const size_t size = varint(bytes, at);
          if (at + size > bytes.size()) throw std::runtime_error("a field runs over the end");
          texts_[field] = bytes.substr(at, size);
          at += size;
          break;
        }
        default:
          throw std::runtime_error("unknown wire type");
      }
    }
  }
  bool has(int field) const { return numbers_.count(field) + texts_.count(field) > 0; }
  uint64_t number(int field) const { return numbers_.at(field); }
  std::string text(int field) const { return texts_.at(field); }
  Decoded message(int field) const { return Decoded(text(field)); }
  float float32(int field) const { return std::bit_cast<float>(static_cast<uint32_t>(number(field))); }
  double float64(int field) const { return std::bit_cast<double>(number(field)); }

 private:
  static uint64_t varint(const std::string& bytes, size_t& at) {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes.at(at++));
      value |= static_cast<uint64_t>(byte & 127) << shift;
      if (byte < 128) return value;
    }
  }
  static uint64_t fixed(const std::string& bytes, size_t& at, size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.substr(at, size).c_str(), size);
    at += size;
    return value;
  }
  std::map<int, uint64_t> numbers_;
  std::map<int, std::string> texts_;
};

uint32_t bitwise_crc32c(const std::string& bytes) {
  uint32_t sum = ~0U;
  for (unsigned char byte : bytes) {
    sum ^= byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) * 0x82f63b78U);
  }
  return ~sum;
}

std::vector<Decoded> events_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(stream), {});
  auto check = [](const std::string& part, const std::string& stored) {
    uint32_t sum = 0;
    std::memcpy(&sum, stored.c_str(), 4);
    const uint32_t expected = bitwise_crc32c(part);
    if (sum != ((expected >> 15 | expected << 17) + 0xa282ead8U)) throw std::runtime_error("a checksum is wrong");
  };
  std::vector<Decoded> events;
  for (size_t at = 0; at < bytes.size();) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.substr(at, 8).c_str(), 8);
    check(bytes.substr(at, 8), bytes.substr(at + 8, 4));
    check(bytes.substr(at + 12, length), bytes.substr(at + 12 + length, 4));
    events.emplace_back(bytes.substr(at + 12, length));
    at += 16 + length;
  }
  return events;
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);            // the check value of the algorithm
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
}

TEST(EventWriter, WritesWhatTheMessagesSay) {
  test::TemporaryFolder folder;
  std::string path;
  {
    EventWriter writer(folder.path() / "tensorboard");
    path = writer.path();
    writer.scalar("train/loss", 300, 0.25);
    writer.text("config", 0, "seed: 20");
    writer.image("mask", 7, torch::full({2, 3}, 9, torch::kByte));
    writer.audio("tone", 8, {"RIFF...", 16000, 4});
  }
  EXPECT_TRUE(std::filesystem::path(path).filename().string().starts_with("events.out.tfevents."));
  const auto events = events_of(path);
  ASSERT_EQ(events.size(), 5);
  EXPECT_EQ(events[0].text(3), "brain.Event:2");
  EXPECT_GT(events[0].float64(1), 1.7e9);
  EXPECT_FALSE(events[0].has(7));
  EXPECT_EQ(events[1].number(2), 300);
  const auto scalar = events[1].message(5).message(1);
  EXPECT_EQ(scalar.text(1), "train/loss");
  EXPECT_EQ(scalar.float32(2), 0.25F);
  const auto text = events[2].message(5).message(1);
  EXPECT_EQ(text.text(1), "config");
  EXPECT_EQ(text.message(8).text(8), "seed: 20");
  EXPECT_EQ(text.message(9).message(1).text(1), "text");
  const auto image = events[3].message(5).message(1).message(4);
  EXPECT_EQ(image.number(1), 2);
  EXPECT_EQ(image.number(2), 3);
  EXPECT_EQ(image.text(4), encode_png(torch::full({2, 3}, 9, torch::kByte)));
  const auto audio = events[4].message(5).message(1).message(6);
  EXPECT_EQ(audio.float32(1), 16000);
  EXPECT_EQ(audio.number(2), 1);
  EXPECT_EQ(audio.number(3), 4);
  EXPECT_EQ(audio.text(4), "RIFF...");
  EXPECT_EQ(audio.text(5), "audio/wav");
}

TEST(EventWriter, AResumedFileStartsItsSession) {
  test::TemporaryFolder folder;
  EventWriter first(folder.path()), second(folder.path(), 21);  // within one second: two files all the same
  EXPECT_NE(first.path(), second.path());
  const auto events = events_of(second.path());
  ASSERT_EQ(events.size(), 2);
  EXPECT_EQ(events[1].number(2), 21);
  EXPECT_EQ(events[1].message(7).number(1), 1);
}

TEST(EventWriter, NamesTheFileThatItCannotCreate) {
  test::TemporaryFolder folder;
  const std::string file = folder.write("a", "");
  const std::string message = test::message_of([&] { EventWriter writer(file); });
  EXPECT_TRUE(message.starts_with("Cannot write '" + file + "/events.out.tfevents.")) << message;
  EXPECT_TRUE(message.ends_with("': Not a directory.")) << message;
}

TEST(Png, HoldsThePixels) {
  const auto pixels = torch::randint(0, 256, {5, 7, 3}, torch::kByte);
  const std::string png = encode_png(pixels);
  const size_t data = png.find("IDAT") + 4, size = png.find("IEND") - 8 - data;
  std::string rows(5 * (1 + 21), '\0');
  uLongf length = rows.size();
  ASSERT_EQ(
      uncompress(reinterpret_cast<Bytef*>(rows.data()), &length, reinterpret_cast<const Bytef*>(&png[data]), size),
      Z_OK);
  ASSERT_EQ(length, rows.size());
  for (size_t y = 0; y < 5; ++y)
    EXPECT_EQ(std::memcmp(&rows[y * 22 + 1], pixels[static_cast<int64_t>(y)].data_ptr(), 21), 0);
  EXPECT_THROW(encode_png(torch::zeros({2, 2})), std::logic_error);
  EXPECT_THROW(encode_png(torch::zeros({0, 2}, torch::kByte)), std::logic_error);
}

constexpr const char* kReadEvents = R"(
import io, math, sys
import numpy
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'tensors': 0, 'scalars': 0, 'images': 0})
events.Reload()
scalars = [(e.step, e.value) for e in events.Scalars('train/loss')]
assert scalars == [(step, step / 4) for step in range(1, 21)] + [(21, -1.0), (22, -1.0)], scalars
assert math.isnan(events.Scalars('train/nan')[0].value)
image = events.Images('mask')[0]
assert (image.height, image.width) == (4, 6), image
pixels = numpy.array(Image.open(io.BytesIO(image.encoded_image_string)))
assert (pixels == numpy.arange(72, dtype=numpy.uint8).reshape(4, 6, 3)).all(), pixels
text = events.Tensors('config')[0].tensor_proto
assert [s.decode() for s in text.string_val] == ['säed: 20'], text
assert events.SummaryMetadata('config').plugin_data.plugin_name == 'text'
)";

TEST(EventWriter, TensorBoardReadsItAndHidesWhatAResumedRunDoesAgain) {
  USAM_NEEDS_ORACLE_PYTHON();
  test::TemporaryFolder folder;
  const std::string logs = folder.path() / "logs";
  {
    EventWriter writer(logs);
    for (int step = 1; step <= 30; ++step) writer.scalar("train/loss", step, step / 4.0);
    writer.scalar("train/nan", 1, std::nan(""));
    writer.text("config", 0, "säed: 20");
    writer.image("mask", 3, torch::arange(72).to(torch::kByte).reshape({4, 6, 3}));
  }
  {
    EventWriter writer(logs, 21);  // from the checkpoint of step 20
    for (int step = 21; step <= 22; ++step) writer.scalar("train/loss", step, -1);
  }
  const auto run = test::run_command(test::oracle_python() + " " + folder.write("read.py", kReadEvents) + " " + logs);
  EXPECT_EQ(run.status, 0) << run.text;
}

}  // namespace
}  // namespace usam::io
