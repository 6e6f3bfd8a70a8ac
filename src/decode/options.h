#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/text/tokenizer.h"

namespace usam::decode {

using Ids = std::vector<int64_t>;
class Constraint;  // constraint.h

// How answers are searched for. Without beams and temperature every token is the likeliest one. The meaning of the
// numbers is that of transformers' `generate`, given embeddings.
struct Options {
  int64_t max_new_tokens = 200;
  int64_t min_new_tokens = 0;     // no end token before so many others
  Ids eos = {};                   // any of these ends a hypothesis
  double repetition_penalty = 1;  // > 1: what the hypothesis holds already is less likely; the prompt is not looked at
  double temperature = 0;         // > 0: tokens are drawn, from
  int64_t top_k = 0;              // the so many likeliest; 0: all
  double top_p = 1;               // the likeliest that together have at least this probability
  uint64_t seed = 20;
  int64_t beams = 1;
  double length_penalty = 1;  // beams are ranked by sum of log-probabilities / tokens^length_penalty
  int64_t n_best = 1;         // hypotheses of each prompt: at most `beams`, or so many independent draws
  std::shared_ptr<const Tokenizer> tokenizer = nullptr;    // makes the hypotheses' texts; needed for
  std::vector<std::string> stop = {};                      // texts that end a hypothesis and are left out of it
  std::shared_ptr<const Constraint> constraint = nullptr;  // what answers may be; null: anything

  bool draws() const { return temperature > 0; }
};

struct Hypothesis {
  Ids ids = {};           // without the end token, but with those of a stop text
  bool is_ended = false;  // by an end token or a stop text; false: cut at max_new_tokens
  double log_prob = 0;    // sum over its tokens and end token, as the model has it: no penalty, no temperature
  int64_t tokens = 0;     // how many that sum is over
  double beam_score = 0;  // what beams were ranked by, penalties included
  std::string text = {};  // up to a stop text; "" where the options have no tokenizer

  double mean_log_prob() const { return tokens > 0 ? log_prob / static_cast<double>(tokens) : 0; }
};

}  // namespace usam::decode
