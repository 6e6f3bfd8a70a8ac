#pragma once
// What one recording is like.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/source.h"

namespace usam::inspect {

// How much of each recording is read.
enum class AudioDepth { kNone, kHeaders, kDecode };

// A decoded row: the mean of its channels.
struct WaveFacts {
  double peak = 0;
  double rms = 0;
  double mean = 0;
  double clipped = 0;  // share of samples in runs of three or more at one extreme, 0.5 and more from zero
  uint64_t hash = 0;   // of the samples
};

struct AudioFacts {
  std::string failure;  // why it cannot be read; the rest is not known then
  int64_t sample_rate = 0, channels = 0;
  std::string format;   // "WAV, 16-bit" as libsndfile has it
  double seconds = -1;  // that the row holds, from its offset on and no more than it asks for
  std::optional<WaveFacts> wave;
};

// Reads a row's header or all of it, in pieces of five minutes, so that no recording is held whole.
AudioFacts check_audio(const data::Row& row, AudioDepth depth);

// What is suspicious of a decoded row, as sentences without the row's name.
std::vector<std::string> suspicions(const AudioFacts& facts);

}  // namespace usam::inspect
