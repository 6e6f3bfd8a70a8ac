#pragma once
#include <cstdint>
#include <variant>

namespace usam {

// Whisper's log-mel: (frames, mels). clip: 2 ceil(n / 320) frames of the zero-padded clip; else the reference's 3000.
struct WhisperMelSpec {
  int64_t sample_rate = 16000;
  int64_t mels = 80;
  bool thirty_seconds = false;
  bool operator==(const WhisperMelSpec&) const = default;
};

// CED's log-mel in dB: (n / 160 + 1 frames, 64 mels), floored at the clip's own peak - 120 dB.
struct CedMelSpec {
  int64_t sample_rate = 16000;
  bool operator==(const CedMelSpec&) const = default;
};

// The wave itself: (samples), with zero mean and unit variance per clip where the model was trained so.
struct WaveSpec {
  int64_t sample_rate = 24000;
  bool normalize = true;
  bool operator==(const WaveSpec&) const = default;
};

// What an encoder wants to be fed, as plain data; data/features turns it into a front end, models/ declare it.
using FrontEndSpec = std::variant<WhisperMelSpec, CedMelSpec, WaveSpec>;

inline int64_t sample_rate(const FrontEndSpec& spec) {
  return std::visit([](const auto& s) { return s.sample_rate; }, spec);
}

}  // namespace usam
