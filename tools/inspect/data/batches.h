#pragma once
// What a config's micro-batches will be like.
#include <cstdint>
#include <string>
#include <vector>

#include "recipes/run.h"

namespace usam::inspect {

struct BatchEstimate {
  std::string note;                                  // why there is no estimate, or none of tokens; empty: there is all
  int64_t micro_batches = 0, visits = 0, steps = 0;  // of the first epoch; steps on one rank
  std::vector<float> padding;                        // share of each micro-batch's seconds; of 2,000 of them at most
  double padded_seconds = 0, padded_tokens = 0;      // share of all that were looked at
  double audio_tokens = 0, text_tokens = 0;          // of a row, on average
  int64_t most_tokens = 0;                           // of a row
  std::string longest;                               // the micro-batch that takes most, in words
  int64_t long_clips = 0;                            // above the longest that is taken
  double long_seconds = 0;                           // by which they are above it
  std::string long_audio;                            // what is done to them, in words
  bool has_tokens = false;
};

// The estimate for data.train. The recipe is built, as `usam-train --validate` does, for its tokens; where that fails
// the rest is estimated without it.
BatchEstimate estimate_batches(const recipes::RunConfig& config);

}  // namespace usam::inspect
