#pragma once
#include <torch/torch.h>

#include <string>
#include <vector>

#include "src/decode/options.h"
#include "src/models/language_model.h"

namespace usam::decode {

// Continues every prompt until an end token: the likeliest token each time, drawn ones (options.temperature) or the
// best beams. prompts (B, T, D) embeddings, right-padded; lengths (B) int64, at least 1; `keys` name the samples where
// tokens are drawn. Result: options.n_best hypotheses a prompt (beams: fewer where there are no more); beams best
// first, draws in their order. All go through one session (session.h).
std::vector<std::vector<Hypothesis>> generate(LanguageModel& model, const torch::Tensor& prompts_BTD,
                                              const torch::Tensor& lengths_B, const Options& options,
                                              const std::vector<std::string>& keys = {});

}  // namespace usam::decode
