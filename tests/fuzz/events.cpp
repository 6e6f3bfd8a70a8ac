// TensorBoard files: what is handed over lies within the file.
#include "src/io/events.h"

#include "src/io/crc32c.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

namespace usam::fuzz {
namespace {

std::string little_endian(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// A record with its sums, or hardly a change would get beyond them.
std::string record(std::string_view event) {
  const std::string length = little_endian(event.size(), 8);
  return length + little_endian(io::masked_crc32c(length), 4) + std::string(event) +
         little_endian(io::masked_crc32c(event), 4);
}

}  // namespace

// The messages alone: read() makes records of them, a part up to each byte 0xff.
std::vector<std::string> seeds() {
  const auto field = [](int number, const std::string& bytes) {
    return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) + bytes;
  };
  const std::string step = "\x10\x07";
  const auto summary = [&](const std::string& tag, const std::string& value) {
    return step + field(5, field(1, field(1, tag) + value));
  };
  return {summary("masks/a", field(4, "\x08\x02\x10\x03" + field(4, "PNG"))),
          summary("tables/answers", field(8, "\x08\x07" + field(8, "| key |"))) + "\xff" +
              summary("s", field(6, field(4, "RIFF"))),
          step + field(7, "\x08\x01"), std::string("\x09", 1) + std::string(8, 'x')};
}

void read(std::string_view bytes) {
  std::string file;
  for (size_t at = 0; at <= bytes.size();) {
    const size_t end = std::min(bytes.find('\xff', at), bytes.size());
    file += record(bytes.substr(at, end - at));
    at = end + 1;
  }
  const auto see = [&](io::Event&& event) {
    if (event.bytes.size() + event.tag.size() > bytes.size()) std::abort();
    return true;
  };
  for (const std::string& content : {file, std::string(bytes)}) {
    const MemoryFile memory(content);
    io::read_events(memory.path(), see);
  }
}

}  // namespace usam::fuzz
