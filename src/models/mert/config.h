#pragma once
#include <fmt/format.h>

#include <optional>

#include "src/base/config.h"
#include "src/models/encoder_source.h"

namespace usam {

enum class MertConvNorm { kGroup, kLayer };

// MERT, HuBERT and wav2vec 2.0, which are one model. Given a path the sizes come from its config.json, rate and
// normalisation from its preprocessor_config.json; values written here as well must agree.
struct MertConfig {
  ModelSource source;
  EncoderShape shape;
  std::optional<int64_t> conv_width, position_kernel, position_groups, sample_rate;
  std::optional<bool> normalize, pre_norm;
};

// What is wrong with the sizes of a random model beside what encoder_problem() says; else "".
inline std::string mert_problem(const MertConfig& c) {
  const int64_t groups = c.position_groups.value_or(16);
  if (c.source.is_random() && c.shape.width && *c.shape.width % groups != 0)
    return fmt::format("'width' ({}) must be a multiple of 'position_groups' ({})", *c.shape.width, groups);
  return "";
}

inline void describe(Fields& f, MertConfig& c) {
  describe_encoder(f, c.source, c.shape);
  f("conv_width", c.conv_width, "channels of the seven convolutions (init: random; default width)").at_least(1);
  f("position_kernel", c.position_kernel, "frames of the position convolution (init: random; default 128)").at_least(1);
  f("position_groups", c.position_groups, "groups of the position convolution (init: random; default 16)").at_least(1);
  f("pre_norm", c.pre_norm, "norms before each block instead of after it (init: random; default false)");
  f("sample_rate", c.sample_rate, "samples a second (default: the folder's; 24000 with init: random)").at_least(1);
  f("normalize", c.normalize, "zero mean, unit variance per clip (default: the folder's; true with init: random)");
  f.rule([&c] { return mert_problem(c); });
}

struct HubertConfig : MertConfig {};
struct Wav2Vec2Config : MertConfig {};

}  // namespace usam
