#pragma once
// Tars written byte by byte, so that tests can write wrong ones, and samples for them.
#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/data/support.h"

namespace usam::data::test_support {

// What a header says; `size` and `name` as they stand in their fields.
struct TarField {
  std::string name;
  std::string size;  // the field's 12 bytes, or fewer
  char type = '0';
  std::string link = {};
  std::string magic = std::string("ustar\0", 6) + "00";
};

inline std::string octal_size(size_t bytes) {
  return fmt::format("{:011o}", bytes);
}

inline std::string tar_block(const TarField& field) {
  std::string block(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { text.copy(block.data() + at, text.size()); };
  put(0, field.name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, field.size);
  put(136, "00000000000");
  put(148, "        ");
  put(156, std::string(1, field.type));
  put(157, field.link);
  put(257, field.magic);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

inline std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 511) / 512 * 512);
  return bytes;
}

inline std::string tar_member(const std::string& name, const std::string& bytes, char type = '0') {
  return tar_block({name, octal_size(bytes.size()), type}) + padded(bytes);
}

inline std::string tar_link(const std::string& name, const std::string& to, char type) {
  return tar_block({.name = name, .size = octal_size(0), .type = type, .link = to});
}

// GNU's way of a name above 100 bytes.
inline std::string gnu_long(const std::string& name, const std::string& bytes) {
  return tar_member("././@LongLink", name + '\0', 'L') + tar_member(name, bytes);
}

// POSIX' way, with any records.
inline std::string pax_record(const std::string& key, const std::string& value) {
  size_t size = key.size() + value.size() + 3;
  while (std::to_string(size).size() + key.size() + value.size() + 3 != size)
    size = std::to_string(size).size() + key.size() + value.size() + 3;
  return fmt::format("{} {}={}\n", size, key, value);
}
inline std::string pax_long(const std::string& name, const std::string& bytes) {
  return tar_member("PaxHeaders/x", pax_record("path", name), 'x') + tar_member(name.substr(0, 99), bytes);
}

inline std::string tar_end() {
  return std::string(1024, '\0');
}

inline std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The bytes of a float wav.
inline std::string wav_of(const std::vector<float>& samples, int rate = 16000) {
  const test::TemporaryFolder folder;
  return file_bytes(write_wav(folder, "a.wav", samples, rate));
}
inline std::string wav_of(double seconds, double hz = 440) {
  return wav_of(tone(seconds, hz));
}

}  // namespace usam::data::test_support
