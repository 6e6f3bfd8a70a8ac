// TFRecords of Event messages (tensorflow/core/util/event.proto, summary.proto), decoded by hand.
#include "src/io/events.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "src/base/error.h"
#include "src/base/wire.h"
#include "src/io/crc32c.h"

namespace usam::io {
namespace {

// Calls `see` with every field; whether the message was one.
template <class See>
bool each_field(std::string_view message, See see) {
  WireReader reader(message);
  bool is_good = true;
  while (const auto field = reader.next()) is_good = see(*field) && is_good;
  return is_good && reader.is_whole();
}

// The one field of a message that counts: an image's or a sound's bytes, a TensorProto's string.
bool read_part(std::string_view message, uint64_t number, Event::Kind kind, Event& event) {
  event.kind = kind;
  return each_field(message, [&](const WireField& field) {
    if (field.number == number) event.bytes = field.bytes;
    return true;
  });
}

bool read_summary_value(std::string_view message, Event& event) {
  return each_field(message, [&](const WireField& field) {
    if (field.number == 1) event.tag = field.bytes;
    if (field.number == 4) return read_part(field.bytes, 4, Event::Kind::kImage, event);
    if (field.number == 6) return read_part(field.bytes, 4, Event::Kind::kSound, event);
    if (field.number == 8) return read_part(field.bytes, 8, Event::Kind::kText, event);
    return true;
  });
}

bool read_event(std::string_view message, Event& event) {
  return each_field(message, [&](const WireField& field) {
    if (field.number == 1) event.time = std::bit_cast<double>(field.fixed);
    if (field.number == 2) event.step = static_cast<int64_t>(field.value);
    if (field.number == 7) event.kind = Event::Kind::kResume;  // a SessionLog; EventWriter knows START alone
    if (field.number != 5) return true;
    return each_field(field.bytes, [&](const WireField& value) {
      return value.number != 1 || read_summary_value(value.bytes, event);
    });
  });
}

// The bytes of the next record, "" and `is_whole` false for none.
std::string next_record(std::ifstream& stream, uint64_t left, bool& is_whole) {
  constexpr size_t kHead = 12, kFoot = 4;
  std::string head(kHead, '\0'), record;
  is_whole = false;
  if (left < kHead + kFoot || !stream.read(head.data(), kHead)) return record;
  const std::string_view length(head.data(), 8);
  const uint64_t size = from_little_endian(length);
  if (masked_crc32c(length) != from_little_endian(std::string_view(head).substr(8)) || size > left - kHead - kFoot)
    return record;
  record.resize(size + kFoot);
  if (!stream.read(record.data(), static_cast<std::streamsize>(record.size()))) return "";
  const uint64_t sum = from_little_endian(std::string_view(record).substr(size));
  record.resize(size);
  is_whole = masked_crc32c(record) == sum;
  return record;
}

}  // namespace

bool read_events(const std::string& path, const std::function<bool(Event&&)>& see) {
  std::ifstream stream(path, std::ios::binary);
  std::error_code failed;
  const auto size = std::filesystem::file_size(path, failed);
  if (!stream || failed) user_error("{}: cannot open the file: {}", path, std::strerror(errno));
  for (uint64_t at = 0; at < size;) {
    bool is_whole = false;
    const std::string record = next_record(stream, size - at, is_whole);
    Event event;
    if (!is_whole || !read_event(record, event)) return false;
    if (!see(std::move(event))) return true;
    at += 16 + record.size();
  }
  return true;
}

}  // namespace usam::io
