#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "src/decode/options.h"
#include "src/models/language_model.h"

namespace usam::decode {

struct ScoreOptions {
  int64_t rows = 64;  // continuations that go through the model together: bounds memory, changes no score
};

// Mean log-probability of a token of each continuation after its prompt: result[b][c] for candidates[b][c]. Each prompt
// goes through the model once; its keys and values are shared by its candidates. prompts (B, T, D) embeddings,
// right-padded; lengths (B) int64. Candidates are not empty (std::logic_error); none or different ones per prompt are
// fine.
std::vector<std::vector<double>> score(LanguageModel& model, const torch::Tensor& prompts_BTD,
                                       const torch::Tensor& lengths_B, const std::vector<std::vector<Ids>>& candidates,
                                       const ScoreOptions& options = {});

}  // namespace usam::decode
