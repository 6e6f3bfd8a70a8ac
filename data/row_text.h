#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace usam::data {

// The bytes that rows are read from: a file, read where it is asked for and never mapped (a mapped file that is cut
// short kills the process), or text in memory. Thread-safe.
class RowText {
 public:
  virtual ~RowText() = default;
  virtual int64_t size() const = 0;
  // Reads up to `count` bytes at `begin`, fewer at the end, and returns how many. UserError that names the file.
  virtual size_t read(int64_t begin, char* to, size_t count) const = 0;
  // The bytes as a string, fewer at the end.
  std::string read(int64_t begin, int64_t bytes) const;
};

// UserError that names the file: it cannot be opened, or is no file.
std::shared_ptr<RowText> open_row_text(const std::string& path);
std::shared_ptr<RowText> row_text_of(std::string text);

// Takes the pieces of a text one after the other.
using TextSink = std::function<void(std::string_view)>;

// What is made of a source once, and then read row by row: a compressed manifest unpacked, a folder's lists joined.
struct DerivedText {
  std::string path;                // of the source
  std::vector<std::string> files;  // what it is made of: another text is made once they change
  std::string maker;               // what makes it, with its version
  std::string folder;              // data.index_dir, or empty
  std::function<void(const TextSink&)> make;
};

// In memory where it is short (32 MiB); else in a file `.NAME-HASH.usam-rows` where the index of the source would be
// kept (data/index.h), whole or absent. Where no folder takes it, in memory up to 4 GiB, with a warning.
std::shared_ptr<RowText> derive_text(const DerivedText& request);

// Unpacks a .gz file, of several members too. UserError that names the file: it cannot be read, is no gzip file, is
// damaged or cut off.
void unpack_gz(const std::string& path, const TextSink& sink);

}  // namespace usam::data
