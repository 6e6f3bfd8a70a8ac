#pragma once
// Protocol buffer messages as they are written (protobuf.dev/programming-guides/encoding), without a schema.
#include <cstdint>
#include <optional>
#include <string_view>

namespace usam {

uint64_t from_little_endian(std::string_view bytes);

// One field of a message.
struct WireField {
  uint64_t number = 0;
  uint64_t value = 0;      // of a varint
  uint64_t fixed = 0;      // the bits of a number of 4 or 8 bytes
  std::string_view bytes;  // of all else, in the message itself
};

// Takes the fields of a message one by one; is_whole() is false after one that is none.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : left_(message) {}
  bool is_whole() const { return is_whole_; }
  std::optional<WireField> next();

 private:
  std::string_view take(uint64_t size);
  uint64_t varint();

  std::string_view left_;
  bool is_whole_ = true;
};

}  // namespace usam
