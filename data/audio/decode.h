#pragma once
// Reading recordings through libsndfile, files and members of tars alike: wav, flac, ogg, opus, mp3, aiff, au, caf, w64
// and what else it knows, by content rather than by the name. Every failure is a UserError that names the recording.
#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "data/source.h"

namespace usam::data::audio {

// What a recording's header says. `seconds` of a file whose header gives no length is measured by reading it through.
struct Info {
  int64_t sample_rate = 0;
  int64_t channels = 0;
  double seconds = 0;
  std::string format;  // container and coding as libsndfile names them: "WAV (Microsoft), Signed 16 bit PCM"
};
Info probe(const AudioRef& audio);
inline Info probe(const std::string& path) {
  return probe(AudioRef{.path = path});
}

// A decoded file: the mean of its channels at its own rate.
struct Audio {
  torch::Tensor samples;  // (n) float32
  int64_t sample_rate = 0;
  bool is_cut = false;  // there was more than was asked for

  double seconds() const { return static_cast<double>(samples.numel()) / static_cast<double>(sample_rate); }
};

// A stretch of a file: the samples from round(offset rate) up to round((offset + seconds) rate), as far as there are
// any.
struct Part {
  double offset = 0;
  double seconds = std::numeric_limits<double>::infinity();
  bool is_whole() const { return offset == 0 && std::isinf(seconds); }
};
// What is read of a row's recording. A length of 0 is refused by its reader, but only after it was tried: what is wrong
// with the file says more.
Part part_of(const Row& row);

// Whether a length of `seconds` that a manifest gives is wrong where it is off by `apart`: by more than 0.1 s and 5 %.
inline bool is_misdeclared(double seconds, double apart) {
  return apart > 0.1 && apart > 0.05 * seconds;
}

// Decodes at most the first `max_seconds` of a file or of a part of it, in blocks: on a header's word alone 4 MB are
// allocated at most. A part holds exactly the samples that stand there in the whole file. It is come to by seeking, or
// where a format cannot seek exactly (mp3, gsm) by reading all that stands before it; a thread that reads the parts of
// such a file in their order reads it once. Refused: what is no audio or has no samples, a part behind the end, rates
// outside 1 kHz to 768 kHz, NaN, infinite or absurd samples (above 1e6), lossless files that end before their header
// says, and what data/audio/bytes.h refuses. The offset in `source` is not looked at: `part` says what is read.
Audio decode(const AudioRef& source, double max_seconds = std::numeric_limits<double>::infinity(),
             const Part& part = {});
inline Audio decode(const std::string& path, double max_seconds = std::numeric_limits<double>::infinity(),
                    const Part& part = {}) {
  return decode(AudioRef{.path = path}, max_seconds, part);
}

}  // namespace usam::data::audio
