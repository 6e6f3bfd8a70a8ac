#pragma once
// The search for one prompt's answer, which knows no model: a session gives it what the model offers.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/decode/choice.h"
#include "src/decode/options.h"

namespace usam::decode {

class Search {
 public:
  struct Next {
    int64_t row = 0;  // which of its rows goes on
    int64_t id = 0;   // by which token
  };
  virtual ~Search() = default;
  // The tokens of each of its rows. Before the first step these are as many empty ones as copies of the prompt are
  // needed.
  virtual std::vector<const Ids*> rows() const = 0;
  // What its rows' tokens are drawn by, in [0, 1); none where nothing is drawn.
  virtual std::vector<double> uniforms() const { return {}; }
  // Goes on by a token; its rows are those of `all` from `first` on. None: it is complete.
  virtual std::vector<Next> advance(const Continuations& all, int64_t first) = 0;
  // options.n_best at most, once it is complete.
  virtual std::vector<Hypothesis> hypotheses() const = 0;
  virtual const Ids& best() const = 0;  // tokens of the best hypothesis so far
};

// Beam search as transformers' `generate` with `early_stopping=False`: the best options.beams continuations go on,
// until as many have ended and none that goes on would at its present length beat them.
std::unique_ptr<Search> beam_search(std::shared_ptr<const Options> options);

// The likeliest token each time, or options.n_best independent rows of drawn ones.
std::unique_ptr<Search> chain_search(std::shared_ptr<const Options> options, const std::string& key);

}  // namespace usam::decode
