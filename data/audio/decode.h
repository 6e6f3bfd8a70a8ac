#pragma once
// Reading audio files through libsndfile: wav, flac, ogg, opus, mp3, aiff, au, caf, w64 and what else it knows, by
// content rather than by the file's name. Every failure is a UserError that names the file.
#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace usam::data::audio {

// What a file's header says. `seconds` of a file whose header gives no length is measured by reading it through.
struct Info {
  int64_t sample_rate = 0;
  int64_t channels = 0;
  double seconds = 0;
};
Info probe(const std::string& path);

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

// Decodes at most the first `max_seconds` of a file or of a part of it, in blocks: what a header claims is never
// allocated. A part holds exactly the samples that stand there in the whole file. It is come to by seeking, or where a
// format cannot seek exactly (mp3, gsm) by reading all that stands before it; a thread that reads the parts of such a
// file in their order reads it once. Refused: what is no audio or has no samples, a part behind the end, rates outside
// 1 kHz to 768 kHz, NaN, infinite or absurd samples (above 1e6), and lossless files that end before their header says.
Audio decode(const std::string& path, double max_seconds = std::numeric_limits<double>::infinity(),
             const Part& part = {});

}  // namespace usam::data::audio
