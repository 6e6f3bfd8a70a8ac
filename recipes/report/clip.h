#pragma once
// What a page needs of a clip: bytes that a browser plays, and its spectrogram.
#include <torch/torch.h>

#include <string>

#include "data/source.h"
#include "src/base/json.h"

namespace usam::recipes {

// The beginning of a clip, as long as a page shows it.
struct ShownClip {
  torch::Tensor samples;  // (n) float32 at kShownRate
  double seconds = 0;
  bool is_cut = false;  // there is more of it
  data::Row row;
};
inline constexpr int64_t kShownRate = 16000;  // Hz
inline constexpr double kShownSeconds = 60;

// UserError: audio that cannot be read.
ShownClip read_shown(const data::Row& row);

// The clip as a data: URI: the file itself where it is a whole flac, mp3 or ogg that is not larger than the clip as a
// 16-bit wav, else that wav.
std::string audio_uri(const ShownClip& clip);
// A 16-bit wav file; samples (n) beyond -1 to 1 are clipped.
std::string wav_bytes(const torch::Tensor& samples, int64_t rate);
// A file's address relative to a page in `folder`, escaped as a URL.
std::string file_link(const std::string& file, const std::string& folder);
// The same of a row's audio, with the part of the file that the row is.
std::string audio_link(const data::Row& row, const std::string& folder);

// The log-mel spectrogram in grey, (64, columns) uint8: bands to 8 kHz, the lowest below, 80 dB from black to the
// clip's own peak; and as a PNG.
torch::Tensor spectrogram(const torch::Tensor& samples);
std::string spectrogram_png(const torch::Tensor& samples);

// The spectrogram of a clip, (64 + 8, columns, 3) uint8, with the audio tokens that a mask drops in red, and below it
// the tokens' scores in grey. `explained` is what the recipe tells of its answer: "kept" and "scores" of each token,
// and "seconds", what the tokens cover: less than the clip where that was cut, more where only the clip's beginning is
// shown.
torch::Tensor masked_spectrogram(const ShownClip& clip, const Json& explained);

}  // namespace usam::recipes
