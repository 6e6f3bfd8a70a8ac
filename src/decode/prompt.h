#pragma once
// Prompts and tokens on their way through a language model. B rows, T positions, D width.
#include <torch/torch.h>

#include <memory>
#include <vector>

#include "src/models/language_model.h"

namespace usam::decode {

// Rows that went through the model: what a search goes on from.
struct ReadPrompts {
  std::unique_ptr<KvCache> cache;
  torch::Tensor last_BD;    // hidden state of each row's last position: predicts its next token
  torch::Tensor lengths_B;  // position of the next token; int64, on the prompts' device
};

// prompts (B, T, D) embeddings, right-padded; lengths (B) int64 between 1 and T (std::logic_error otherwise).
ReadPrompts read_prompts(LanguageModel& model, const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B);

// The rows become those at `places`: repeated, in another order, without some.
void select_rows(ReadPrompts& prompts, const std::vector<int64_t>& places);

// The rows of `more` become the last ones; `rows` may hold none yet.
void append_rows(ReadPrompts& rows, ReadPrompts more);

// Every row goes on by one token.
void read_tokens(LanguageModel& model, ReadPrompts& prompts, const std::vector<int64_t>& ids);

// UserError where a model's scores are NaN or infinite: nothing can be chosen by them.
void refuse_not_finite(const torch::Tensor& scores);

}  // namespace usam::decode
