#include "src/io/jsonl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "src/base/error.h"
#include "src/base/fs.h"

namespace usam::io {
namespace {

// The size of the file up to the end of its last whole line, or -1 where it cannot be read; reads from the back.
off_t whole_lines(int descriptor, off_t end) {
  char block[4096];
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(sizeof block));
    errno = EIO;  // where less is there than its size says
    if (read_at(descriptor, block, end - begin, begin) != end - begin) return -1;
    for (off_t i = end - begin; i > 0; --i)
      if (block[i - 1] == '\n') return begin + i;
    end = begin;
  }
  return 0;
}

}  // namespace

JsonLinesWriter::JsonLinesWriter(const std::string& path) : path_(path) {
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) user_error("{}: cannot open the file: {}", path, std::strerror(errno));
  const off_t size = lseek(descriptor_, 0, SEEK_END), whole = whole_lines(descriptor_, size);
  if (whole < 0 || (whole < size && ftruncate(descriptor_, whole) != 0)) {
    const int error = errno;
    close(descriptor_);
    user_error("{}: cannot {} the file: {}", path, whole < 0 ? "read" : "cut", std::strerror(error));
  }
}

JsonLinesWriter::~JsonLinesWriter() {
  close(descriptor_);
}

void JsonLinesWriter::write(const Json& row) {
  pending_ += to_line(row) + "\n";
  write_pending();
}

void JsonLinesWriter::sync() {
  write_pending();
  if (fsync(descriptor_) != 0) user_error("Cannot sync '{}' to the disk: {}.", path_, std::strerror(errno));
}

void JsonLinesWriter::write_pending() {
  while (!pending_.empty()) {
    const ssize_t written = ::write(descriptor_, pending_.data(), pending_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) user_error("Cannot write '{}': {}.", path_, std::strerror(errno));
    pending_.erase(0, static_cast<size_t>(written));
  }
}

int64_t cut_after(const std::string& path, const std::function<bool(const Json&)>& keep) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    if (std::filesystem::exists(path)) user_error("{}: cannot open the file: {}", path, std::strerror(errno));
    return 0;
  }
  AtomicFile kept(path);
  // A row whose `keep` throws is somebody else's.
  const auto is_kept = [&](const Json& row, int64_t number) {
    try {
      return keep(row);
    } catch (const Json::exception& e) {
      user_error("{}:{}: the line is not a row of this file ({}); remove or mend it", path, number, e.what());
    }
  };
  int64_t dropped = 0, number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    const bool is_whole = !stream.eof();
    const Json row = Json::parse(line, nullptr, false);
    if (is_whole && row.is_discarded())
      user_error("{}:{}: the line is not valid JSON; remove or mend it", path, number);
    if (is_whole && is_kept(row, number)) {
      kept.write(line + "\n");
    } else {
      ++dropped;
    }
  }
  if (stream.bad()) user_error("{}: cannot read the file: {}", path, std::strerror(EIO));
  if (dropped > 0) kept.commit();
  return dropped;
}

}  // namespace usam::io
