#include "data/audio/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "data/tar_header.h"
#include "src/base/error.h"
#include "src/base/fs.h"

namespace usam::data::audio {
Stretch::Stretch(const AudioRef& audio) : audio_(audio) {
  const char* what = audio.member.empty() ? "audio file" : "tar shard";
  file_ = open(audio.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would hang
  if (file_ < 0 && errno == EWOULDBLOCK)  // another program (a file server) holds a lease, which it gives back
    file_ = open(audio.path.c_str(), O_RDONLY | O_CLOEXEC);
  const int reason = errno;
  if (file_ < 0 && (reason == ENOENT || reason == ENOTDIR))
    user_error("{}: the {} does not exist", audio.shown(), what);
  struct stat info{};
  const bool is_file = file_ >= 0 && fstat(file_, &info) == 0 && S_ISREG(info.st_mode);
  try {
    if (file_ < 0 && reason != ENXIO) user_error("{}: cannot be opened: {}", audio.shown(), std::strerror(reason));
    if (!is_file) user_error("{}: not a file", audio.shown());
    begin_ = audio.begin;
    size_ = audio.member.empty() ? info.st_size : audio.bytes;
    if (!audio.member.empty()) check_place(info.st_size);
    if (size_ == 0) user_error("{}: the audio file is empty", audio.shown());
  } catch (...) {
    if (file_ >= 0) close(file_);
    throw;
  }
}

Stretch::~Stretch() {
  close(file_);
}

void Stretch::check_place(int64_t file_size) const {
  if (begin_ > file_size || size_ > file_size - begin_)
    user_error("{}: the tar shard ends at byte {}, before this member does: it was cut off after it was indexed",
               audio_.shown(), file_size);
  std::array<char, kTarBlock> header{};
  const bool is_there =
      begin_ >= kTarBlock && read_at(file_, header.data(), kTarBlock, begin_ - kTarBlock) == kTarBlock;
  if (!is_there || tar_member_size({header.data(), header.size()}) != size_)
    user_error("{}: the tar shard was changed after it was indexed: the member is not where it was", audio_.shown());
}

void Stretch::check() const {
  if (!failure_.empty()) user_error("{}: {}", audio_.shown(), failure_);
}

std::string Stretch::text() {
  std::string bytes(static_cast<size_t>(size_), '\0');
  at_ = 0;
  read(bytes.data(), size_, this);
  check();
  return bytes;
}

SF_VIRTUAL_IO* Stretch::io() {
  static SF_VIRTUAL_IO functions = {size_of, seek, read, write, tell};
  at_ = 0;
  return &functions;
}

sf_count_t Stretch::size_of(void* self) {
  return static_cast<Stretch*>(self)->size_;
}

// As lseek: beyond the end there is nothing to read, before the beginning nothing to seek.
sf_count_t Stretch::seek(sf_count_t offset, int whence, void* self) {
  auto& stretch = *static_cast<Stretch*>(self);
  const int64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? stretch.at_ : stretch.size_;
  int64_t to = 0;
  if (__builtin_add_overflow(from, offset, &to) || to < 0) return -1;
  return stretch.at_ = to;
}

sf_count_t Stretch::read(void* to, sf_count_t count, void* self) {
  auto& stretch = *static_cast<Stretch*>(self);
  count = std::clamp<int64_t>(count, 0, std::max<int64_t>(stretch.size_ - stretch.at_, 0));
  if (count == 0) return 0;
  const int64_t got = read_at(stretch.file_, to, count, stretch.begin_ + stretch.at_);
  if (got < 0) {
    stretch.failure_ = fmt::format("cannot be read: {}", std::strerror(errno));
  } else if (got < count) {
    stretch.failure_ = fmt::format("the file was cut off while it was read: {} of {} bytes are there",
                                   stretch.at_ + got, stretch.size_);
  }
  stretch.at_ += std::max<int64_t>(got, 0);
  return std::max<int64_t>(got, 0);
}

sf_count_t Stretch::write(const void*, sf_count_t, void*) {
  return 0;
}

sf_count_t Stretch::tell(void* self) {
  return static_cast<Stretch*>(self)->at_;
}

}  // namespace usam::data::audio
