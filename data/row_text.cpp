#include "data/row_text.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "data/index.h"
#include "data/index_stamp.h"
#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "src/base/text.h"

namespace usam::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kInMemory = size_t{32} << 20, kMostInMemory = size_t{4} << 30, kPiece = 1 << 20;

class FileText final : public RowText {
 public:
  explicit FileText(const std::string& path) : path_(path), file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (file_ < 0) user_error("{}: the manifest cannot be read: {}", path, std::strerror(errno));
    struct stat info{};
    if (fstat(file_, &info) == 0 && S_ISREG(info.st_mode)) {
      size_ = info.st_size;
      return;
    }
    close(file_);
    user_error("{}: the manifest cannot be read: not a file", path);
  }
  ~FileText() override { close(file_); }
  int64_t size() const override { return size_; }
  size_t read(int64_t begin, char* to, size_t count) const override {
    const int64_t got = read_at(file_, to, static_cast<int64_t>(count), begin);
    if (got < 0) user_error("{}: the file cannot be read: {}", path_, std::strerror(errno));
    return static_cast<size_t>(got);
  }

 private:
  std::string path_;
  int file_;
  int64_t size_ = 0;
};

class MemoryText final : public RowText {
 public:
  explicit MemoryText(std::string text) : text_(std::move(text)) {}
  int64_t size() const override { return std::ssize(text_); }
  size_t read(int64_t begin, char* to, size_t count) const override {
    if (begin < 0 || begin >= size()) return 0;
    return text_.copy(to, count, static_cast<size_t>(begin));
  }

 private:
  std::string text_;
};

// The place that keeps a text has no room for it.
struct NoRoom {
  std::string why;
};

// Keeps a text in memory until it is long, then in the first place that takes it.
class Keeper {
 public:
  Keeper(const DerivedText& request, std::vector<std::string> places) : request_(request), places_(std::move(places)) {}

  void add(std::string_view piece) {
    if (file_) return write(piece);
    text_ += piece;
    if (text_.size() > kInMemory && !places_.empty()) {
      open_file();
    } else if (text_.size() > kMostInMemory) {
      user_error("{}: what is made of it takes more than {}, and no folder can keep it; name one as data.index_dir",
                 request_.path, human_bytes(static_cast<int64_t>(kMostInMemory)));
    }
  }

  std::shared_ptr<RowText> finish() {
    if (!file_) return row_text_of(std::move(text_));
    try {
      file_->commit();
    } catch (const UserError& e) {
      throw NoRoom{e.what()};
    }
    log::info("{}: what is made of it is kept in {}", request_.path, place_);
    return open_row_text(place_);
  }

 private:
  void open_file() {
    std::string why;
    for (const std::string& place : places_) {
      try {
        std::error_code ignored;
        fs::create_directories(fs::path(place).parent_path(), ignored);
        file_ = std::make_unique<AtomicFile>(place);
        place_ = place;
        const std::string begin = std::exchange(text_, "");
        return write(begin);
      } catch (const UserError& e) {
        why = e.what();
      }
    }
    places_.clear();
    log::warn("{}: what is made of it is held in memory: {}", request_.path, why);
  }
  void write(std::string_view piece) {
    try {
      file_->write(piece);
    } catch (const UserError& e) {
      throw NoRoom{e.what()};
    }
  }

  const DerivedText& request_;
  std::vector<std::string> places_;
  std::unique_ptr<AtomicFile> file_;
  std::string place_, text_;
};

// Removes what was made of an earlier state of the source.
void remove_older(const std::string& place, const std::string& prefix) {
  const std::string kept = fs::path(place).filename().string();
  std::error_code ignored;
  const fs::path folder = fs::path(place).parent_path();
  for (fs::directory_iterator entry(folder, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && name.size() == kept.size() && name.ends_with(".usam-rows") && name != kept)
      fs::remove(entry->path(), ignored);
  }
}

}  // namespace

std::string RowText::read(int64_t begin, int64_t bytes) const {
  std::string text(static_cast<size_t>(std::max<int64_t>(std::min(bytes, size() - begin), 0)), '\0');
  text.resize(read(begin, text.data(), text.size()));
  return text;
}

std::shared_ptr<RowText> open_row_text(const std::string& path) {
  return std::make_shared<FileText>(path);
}

std::shared_ptr<RowText> row_text_of(std::string text) {
  return std::make_shared<MemoryText>(std::move(text));
}

std::shared_ptr<RowText> derive_text(const DerivedText& request) {
  const std::string made_of = to_line(to_json(stamp_files(request.path, request.files, false))) + request.maker;
  const std::string ending = fmt::format("-{:016x}.usam-rows", key_hash(made_of));
  auto places = index_places(request.path, request.folder, ending);
  for (const std::string& place : places) {
    if (fs::exists(place)) return open_row_text(place);
  }
  const auto keep = [&](std::vector<std::string> in) {
    Keeper keeper(request, std::move(in));
    request.make([&](std::string_view piece) { keeper.add(piece); });
    return keeper.finish();
  };
  std::shared_ptr<RowText> text;
  try {
    text = keep(places);
  } catch (const NoRoom& disk) {
    log::warn("{}: what is made of it is held in memory: {}", request.path, disk.why);
    return keep({});
  }
  for (const std::string& place : places) {
    const std::string name = fs::path(place).filename().string();
    if (fs::exists(place)) remove_older(place, name.substr(0, name.size() - ending.size() + 1));
  }
  return text;
}

void unpack_gz(const std::string& path, const TextSink& sink) {
  const auto file = open_row_text(path);
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) internal_error("zlib cannot begin to unpack");
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> end(&stream, inflateEnd);
  std::string in(kPiece, '\0'), out(kPiece, '\0');
  bool is_between = true, is_first = true;  // between two members
  for (int64_t begin = 0;;) {
    stream.avail_in = static_cast<uInt>(file->read(begin, in.data(), in.size()));
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    begin += stream.avail_in;
    if (stream.avail_in == 0) break;
    while (stream.avail_in > 0) {
      if (is_between && !is_first && *stream.next_in == 0) {  // tapes and some tools fill up with zeros
        ++stream.next_in, --stream.avail_in;
        continue;
      }
      stream.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.avail_out = static_cast<uInt>(out.size());
      const int state = inflate(&stream, Z_NO_FLUSH);
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
        if (is_first && stream.total_out == 0)
          user_error("{}: the file is no gzip file, though its name ends in .gz", path);
        user_error("{}: the compressed file is damaged: {}", path, stream.msg ? stream.msg : "it cannot be unpacked");
      }
      sink({out.data(), out.size() - stream.avail_out});
      is_between = state == Z_STREAM_END;
      if (is_between) is_first = false, inflateReset(&stream);
    }
  }
  if (!is_between || is_first) user_error("{}: the compressed file is cut off; copy it again", path);
}

}  // namespace usam::data
