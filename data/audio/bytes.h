#pragma once
// The bytes of a recording, wherever they are: a whole file, or a member of a tar, read where it stands.
#include <sndfile.h>

#include <cstdint>
#include <string>

#include "data/source.h"

namespace usam::data::audio {

// A stretch of a file, read by position: nothing is unpacked, and what lies outside the stretch is never read. Every
// failure is a UserError that names the recording.
class Stretch {
 public:
  // Refused: what does not exist, is no file or holds no byte; a member that reaches beyond the end of its tar, or
  // before which no header of a member of its size stands (any more).
  explicit Stretch(const AudioRef& audio);
  ~Stretch();
  Stretch(const Stretch&) = delete;
  Stretch& operator=(const Stretch&) = delete;

  int64_t size() const { return size_; }
  // Throws if bytes of the stretch that were asked for were not there: the file shrank, or the disk failed.
  void check() const;
  // What libsndfile reads through, with this as its user data; reading begins at the first byte.
  SF_VIRTUAL_IO* io();
  // All of its bytes.
  std::string text();

 private:
  static sf_count_t size_of(void* self);
  static sf_count_t seek(sf_count_t offset, int whence, void* self);
  static sf_count_t read(void* to, sf_count_t count, void* self);
  static sf_count_t write(const void* from, sf_count_t count, void* self);
  static sf_count_t tell(void* self);
  void check_place(int64_t file_size) const;

  AudioRef audio_;
  int file_ = -1;
  int64_t begin_ = 0, size_ = 0, at_ = 0;
  std::string failure_;
};

}  // namespace usam::data::audio
