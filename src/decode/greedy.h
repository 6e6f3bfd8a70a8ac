#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "src/models/language_model.h"

namespace usam::decode {

struct GreedyOptions {
  int64_t max_new_tokens = 200;
  std::vector<int64_t> eos;  // any of these ends a row
};

struct Hypothesis {
  std::vector<int64_t> ids;  // without the end token
  bool is_ended = false;     // false: cut at max_new_tokens
};

// Continues every prompt with its likeliest token until an end token. prompts (B, T, D) embeddings, right-padded;
// lengths (B) int64, at least 1. A row's result does not depend on its neighbours: padding is masked in the cache and
// takes no positions, finished rows leave the batch.
std::vector<Hypothesis> greedy(LanguageModel& model, const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B,
                               const GreedyOptions& options);

}  // namespace usam::decode
