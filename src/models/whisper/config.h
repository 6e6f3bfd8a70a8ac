#pragma once
#include <optional>

#include "src/base/config.h"
#include "src/models/encoder_source.h"

namespace usam {

enum class WhisperPad { kClip, kThirtySeconds };

// The encoder half of Whisper. Given a path the sizes come from its config.json; sizes written here as well must agree.
struct WhisperConfig {
  ModelSource source;
  EncoderShape shape;
  WhisperPad pad = WhisperPad::kClip;
  std::optional<int64_t> mels;
};

// What is wrong with the sizes of a random model beside what encoder_problem() says; else "".
inline std::string whisper_problem(const WhisperConfig& c) {
  if (c.source.is_random() && c.shape.width && *c.shape.width % 2 != 0)
    return "'width' must be even: half of Whisper's positions are sines, half cosines";
  return "";
}

inline void describe(Fields& f, WhisperConfig& c) {
  describe_encoder(f, c.source, c.shape);
  f.choice("pad", c.pad, {{"clip", WhisperPad::kClip}, {"30s", WhisperPad::kThirtySeconds}},
           "clip: encode the clip's true length; 30s: encode 30 s of padded audio as the reference does");
  f("mels", c.mels, "mel bands (init: random; default 80)").at_least(1);
  f.rule([&c] { return whisper_problem(c); });
}

}  // namespace usam
