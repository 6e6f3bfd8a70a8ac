#pragma once
#include <optional>

#include "src/base/config.h"
#include "src/models/encoder_source.h"

namespace usam {

enum class CedBands { kInterleave, kFold };

// The CED audio tagger's encoder. Given a path the sizes come from its config.json; sizes written here as well must
// agree.
struct CedConfig {
  ModelSource source;
  EncoderShape shape;
  CedBands bands = CedBands::kInterleave;
  std::optional<int64_t> target_length;
  // What a random model takes for the mean and the standard deviation of its dB features; default -30 and 30, near the
  // -31 and 33 measured on 120 clips of speech, sounds and music. A folder brings its own, one per band.
  std::optional<double> feature_mean, feature_std;
};

// What is wrong with the keys of a random model beside what encoder_problem() says; else "".
inline std::string ced_problem(const CedConfig& c) {
  if (!c.source.is_random() && (c.feature_mean || c.feature_std))
    return "'feature_mean' and 'feature_std' go with 'init: random' only: a folder brings its own";
  return "";
}

inline void describe(Fields& f, CedConfig& c) {
  describe_encoder(f, c.source, c.shape);
  f.choice("bands", c.bands, {{"interleave", CedBands::kInterleave}, {"fold", CedBands::kFold}},
           "interleave: the four bands of a step follow each other, 25 tokens a second; fold: they share one token of "
           "four times the width, 6.25 a second");
  f("target_length", c.target_length, "frames of one chunk of a long clip (init: random; default 1012)").at_least(16);
  f("feature_mean", c.feature_mean, "mean of the dB features (init: random; default -30)");
  f("feature_std", c.feature_std, "standard deviation of the dB features (init: random; default 30)").more_than(0);
  f.rule([&c] { return ced_problem(c); });
}

}  // namespace usam
