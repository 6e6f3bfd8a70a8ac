#pragma once
// Answers to prompts that are searched for side by side. B prompts, T positions, D width.
#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/decode/options.h"
#include "src/decode/prompt.h"
#include "src/decode/search.h"
#include "src/models/language_model.h"

namespace usam::decode {

struct Request {
  int64_t id = 0;                                    // the caller's, of one request under way at most
  std::string key = {};                              // names the sample where tokens are drawn
  std::shared_ptr<const Options> options = nullptr;  // requests of one object are computed together
};

struct Finished {
  int64_t id = 0;
  std::vector<Hypothesis> hypotheses;  // options.n_best; beams best first, draws in their order
};

// A batch that never waits for its slowest row: prompts come in between any two steps, and those whose answer is
// complete leave at once. A prompt's answer does not depend on its neighbours: padding is masked in the cache and takes
// no positions, a draw is a function of the seed, the sample's key, the number of the draw and the step.
class Session {
 public:
  // The model outlives the session.
  explicit Session(LanguageModel& model);

  // Prompts (B, T, D) as embeddings, right-padded, of `lengths` (B) int64 positions, at least 1; a request for each.
  void add(const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B, const std::vector<Request>& requests);
  int64_t size() const { return std::ssize(going_); }  // requests under way
  bool is_idle() const { return going_.empty(); }
  // Every search goes on by one token, in one pass of all rows through the model; those that are complete leave.
  std::vector<Finished> step();
  // The tokens that the best hypothesis of a request under way holds so far.
  const Ids& ids_under_way(int64_t id) const;
  // Leaves a request under way unanswered.
  void cancel(int64_t id);

 private:
  struct Going {
    int64_t id;
    std::shared_ptr<const Options> options;
    std::unique_ptr<Search> search;
  };
  // Of every search; `first_rows` says where its rows begin, and last how many there are.
  std::vector<std::vector<Search::Next>> advance(const std::vector<int64_t>& first_rows);
  void keep(const std::vector<int64_t>& places);  // of all rows
  size_t place_of(int64_t id) const;

  LanguageModel& model_;
  std::vector<Going> going_;  // the rows of prompts_ are theirs, one search after the other
  ReadPrompts prompts_;
};

}  // namespace usam::decode
