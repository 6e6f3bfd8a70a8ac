#pragma once
// The `recipe:` map of a probe: what a frozen encoder's states say of a clip, by a linear layer.
#include <cstdint>
#include <optional>
#include <string>

#include "recipes/usam/config.h"
#include "src/base/config.h"

namespace usam::recipes {

enum class Target { kLabel, kTags };
enum class Pooling { kMean, kMeanStd };

struct ProbeConfig {
  EncoderSlot encoder;
  std::string layer = "last";  // or "all", or the number of a hidden state
  Pooling pooling = Pooling::kMean;
  std::optional<int64_t> hidden;  // width of a hidden layer; null: none
  double dropout = 0;             // of what the last layer sees
  Target target = Target::kLabel;
  Path labels;  // file, one a line; empty: the union over the training rows
};
void describe(Fields& f, ProbeConfig& c);

// The hidden state that `layer` names; none for "last" and "all".
std::optional<int64_t> layer_number(const std::string& layer);

}  // namespace usam::recipes
