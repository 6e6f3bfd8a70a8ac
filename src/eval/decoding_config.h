#pragma once
// The `evaluate.decoding:` map of a config: how answers are searched for.
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/config.h"

namespace usam::eval {

struct DecodingConfig {
  int64_t beams = 1;
  double length_penalty = 1;
  double repetition_penalty = 1;
  double temperature = 0;
  int64_t top_k = 0;
  double top_p = 1;
  int64_t min_new_tokens = 0;
  std::vector<std::string> stop;
  int64_t seed = 20;
};
void describe(Fields& f, DecodingConfig& c);

}  // namespace usam::eval
