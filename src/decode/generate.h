#pragma once
#include <torch/torch.h>

#include <string>
#include <vector>

#include "src/decode/options.h"
#include "src/models/language_model.h"

namespace usam::decode {

// Continues every prompt until an end token: the likeliest token each time, drawn ones (options.temperature) or the
// best beams. prompts (B, T, D) embeddings, right-padded; lengths (B) int64, at least 1; `keys` name the samples where
// tokens are drawn. Result: options.n_best hypotheses a prompt; beams best first, draws in their order.
//
// A prompt's result does not depend on its neighbours: padding is masked in the cache and takes no positions, finished
// rows leave the batch, a draw is a function of the seed, the sample's key, the number of the draw and the step.
std::vector<std::vector<Hypothesis>> generate(LanguageModel& model, const torch::Tensor& prompts_BTD,
                                              const torch::Tensor& lengths_B, const Options& options,
                                              const std::vector<std::string>& keys = {});

}  // namespace usam::decode
