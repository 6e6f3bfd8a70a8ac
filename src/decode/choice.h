#pragma once
// From a model's scores of the next token to the token. R rows, V vocabulary.
#include <torch/torch.h>

#include <vector>

#include "src/decode/options.h"

namespace usam::decode {

// Scores (R, V) float, logits or log-probabilities, as the search sees them: tokens that a row holds are penalised
// (CTRL, arXiv 1909.05858, section 4.1), end tokens that would come too early and what the constraint forbids
// are at -infinity. `rows` are the rows'
// tokens so far, of one length.
torch::Tensor adjusted(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows, const Options& options);

// What tokens are drawn from, (R, V) double: temperature, then the top_k likeliest (of equal ones those of lower ids),
// then the fewest that together have top_p of what is left.
torch::Tensor probabilities(const torch::Tensor& scores_RV, const Options& options);

// A token of every row, (R) int64; uniforms (R) double in [0, 1). Never one of probability 0.
torch::Tensor draw(const torch::Tensor& probabilities_RV, const torch::Tensor& uniforms_R);

}  // namespace usam::decode
