#include "recipes/probe/config.h"

#include <fmt/format.h>

#include <charconv>

namespace usam::recipes {

std::optional<int64_t> layer_number(const std::string& layer) {
  int64_t number = -1;
  const char* end = layer.data() + layer.size();
  const auto parsed = std::from_chars(layer.data(), end, number);
  return parsed.ec == std::errc() && parsed.ptr == end && number >= 0 ? std::optional(number) : std::nullopt;
}

void describe(Fields& f, ProbeConfig& c) {
  f("encoder", c.encoder, "the audio encoder that is probed").required();
  f("layer", c.layer, "what is pooled: last, the sum of all hidden states under learned shares (all), or one by number")
      .check([&c] {
        if (c.layer == "last" || c.layer == "all" || layer_number(c.layer)) return std::string();
        return fmt::format("`layer` must be last, all or the number of a hidden state, found '{}'.", c.layer);
      });
  f.choice("pooling", c.pooling, {{"mean", Pooling::kMean}, {"mean_std", Pooling::kMeanStd}},
           "over a clip's frames: their mean, or mean and standard deviation side by side");
  f("hidden", c.hidden, "width of a hidden layer with ReLU before the linear one; null: none").at_least(1);
  f("dropout", c.dropout, "of what the last layer sees, in training").at_least(0).less_than(1);
  f.choice("target", c.target, {{"label", Target::kLabel}, {"tags", Target::kTags}},
           "a clip's label, one of a set (cross-entropy), or its tags, any of a set (binary cross-entropy)");
  f("labels", c.labels, "file of the labels or tags, one a line; without it the union over the training rows")
      .must_exist();
  f.rule([&c] {
    return std::string(c.encoder.states == LayerUse::kDefault ? ""
                                                              : "`encoder.states` is not for a probe: say `layer`.");
  });
}

}  // namespace usam::recipes
