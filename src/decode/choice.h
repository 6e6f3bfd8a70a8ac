#pragma once
// From a model's scores of the next token to the token. R rows, V vocabulary, K tokens kept.
#include <torch/torch.h>

#include <vector>

#include "src/decode/options.h"

namespace usam::decode {

// What a step offers R rows: the best tokens of each, best first, or the one that was chosen. All (R, K) double on the
// CPU.
struct Continuations {
  torch::Tensor scores_RK;     // adjusted log-probabilities, where there are several
  torch::Tensor log_probs_RK;  // the model's own
  torch::Tensor ids_RK;
};

// Of a row's continuations as many are kept as its search may need even if all end tokens are among them.
int64_t candidates_kept(const Options& options);

// After logits (R, V) float of rows that share their options: `rows` are the rows' tokens so far, `uniforms` what they
// are drawn by (one a row where options.draws()).
Continuations continuations(const torch::Tensor& logits_RV, const std::vector<const Ids*>& rows,
                            const std::vector<double>& uniforms, const Options& options);

// Scores (R, V) float, logits or log-probabilities, as the search sees them: tokens that a row holds are penalised
// (CTRL, arXiv 1909.05858, section 4.1), end tokens that would come too early and what the constraint forbids
// are at -infinity.
torch::Tensor adjusted(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows, const Options& options);

// What tokens are drawn from, (R, V) double: temperature, then the top_k likeliest (of equal ones those of lower ids),
// then the fewest that together have top_p of what is left.
torch::Tensor probabilities(const torch::Tensor& scores_RV, const Options& options);

// A token of every row, (R) int64; uniforms (R) double in [0, 1). Never one of probability 0.
torch::Tensor draw(const torch::Tensor& probabilities_RV, const torch::Tensor& uniforms_R);

}  // namespace usam::decode
