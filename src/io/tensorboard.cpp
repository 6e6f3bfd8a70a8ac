#include "src/io/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/machine.h"
#include "src/io/crc32c.h"
#include "src/io/png.h"

namespace usam::io {
namespace {

constexpr size_t kFlushAbove = 1 << 20;  // bytes held back at most, images aside

// The wire format of protocol buffers, as far as events need it: each call appends one field.
class Message {
 public:
  Message& varint(int field, uint64_t value) {
    put_varint(static_cast<uint64_t>(field) << 3);
    put_varint(value);
    return *this;
  }
  Message& float64(int field, double value) { return fixed(field, 1, std::bit_cast<uint64_t>(value), 8); }
  Message& float32(int field, float value) { return fixed(field, 5, std::bit_cast<uint32_t>(value), 4); }
  Message& bytes(int field, const std::string& value) {
    put_varint(static_cast<uint64_t>(field) << 3 | 2);
    put_varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return bytes(field, value.bytes_); }
  const std::string& str() const { return bytes_; }

 private:
  Message& fixed(int field, int type, uint64_t bits, int size) {
    put_varint(static_cast<uint64_t>(field << 3 | type));
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(bits >> (8 * i));
    return *this;
  }
  void put_varint(uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Message event(int64_t step) {
  return Message().float64(1, now()).varint(2, static_cast<uint64_t>(step));
}

// Event.summary holding one Summary.Value.
std::string summary_event(int64_t step, const Message& value) {
  return event(step).message(5, Message().message(1, value)).str();
}

std::string little_endian(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string file_name() {
  static std::atomic<int> count{0};  // two writers of one process within a second
  const std::string name = host_name(), host = name.empty() ? "localhost" : name;
  return fmt::format("events.out.tfevents.{:010}.{}.{}.{}", static_cast<int64_t>(now()), host, getpid(), count++);
}

}  // namespace

EventWriter::EventWriter(const std::string& folder, int64_t first_step) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  path_ = (std::filesystem::path(folder) / file_name()).string();
  descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) user_error("Cannot write '{}': {}.", path_, std::strerror(errno));
  add(event(first_step).bytes(3, "brain.Event:2").str());
  if (first_step > 0) add(event(first_step).message(7, Message().varint(1, 1)).str());  // SessionLog START
  flush();
}

EventWriter::~EventWriter() {
  try {
    flush();
  } catch (const std::exception& e) {
    log::warn("{}", e.what());
  }
  close(descriptor_);
}

void EventWriter::scalar(const std::string& tag, int64_t step, double value) {
  add(summary_event(step, Message().bytes(1, tag).float32(2, static_cast<float>(value))));
}

void EventWriter::text(const std::string& tag, int64_t step, const std::string& markdown) {
  // TensorProto {dtype DT_STRING, shape [1], string_val}, which the text plug-in renders.
  const auto shape = Message().message(2, Message().varint(1, 1));
  const auto tensor = Message().varint(1, 7).message(2, shape).bytes(8, markdown);
  const auto metadata = Message().message(1, Message().bytes(1, "text"));
  add(summary_event(step, Message().bytes(1, tag).message(8, tensor).message(9, metadata)));
}

void EventWriter::image(const std::string& tag, int64_t step, const torch::Tensor& pixels) {
  const auto image = Message()
                         .varint(1, static_cast<uint64_t>(pixels.size(0)))
                         .varint(2, static_cast<uint64_t>(pixels.size(1)))
                         .varint(3, pixels.dim() == 2 ? 1 : 3)
                         .bytes(4, encode_png(pixels));
  add(summary_event(step, Message().bytes(1, tag).message(4, image)));
}

void EventWriter::audio(const std::string& tag, int64_t step, const Sound& sound) {
  const auto audio = Message()
                         .float32(1, static_cast<float>(sound.rate))
                         .varint(2, 1)
                         .varint(3, static_cast<uint64_t>(sound.samples))
                         .bytes(4, sound.wav)
                         .bytes(5, "audio/wav");
  add(summary_event(step, Message().bytes(1, tag).message(6, audio)));
}

void EventWriter::add(const std::string& event) {
  const std::string length = little_endian(event.size(), 8);
  pending_ += length + little_endian(masked_crc32c(length), 4) + event + little_endian(masked_crc32c(event), 4);
  if (pending_.size() > kFlushAbove) flush();
}

void EventWriter::flush() {
  size_t done = 0;
  while (done < pending_.size()) {
    const ssize_t written = write(descriptor_, pending_.data() + done, pending_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      pending_.erase(0, done);  // a later flush goes on where this one stopped
      user_error("Cannot write '{}': {}.", path_, std::strerror(error));
    }
    done += static_cast<size_t>(written);
  }
  pending_.clear();
}

}  // namespace usam::io
