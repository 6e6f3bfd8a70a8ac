#pragma once
#include <torch/torch.h>

#include <memory>

#include "src/models/language_model.h"

namespace usam::decode {

// Prompts that went through the model once: what a search goes on from.
struct ReadPrompts {
  std::unique_ptr<KvCache> cache;
  torch::Tensor last_BD;    // hidden state of each prompt's last position: predicts the first new token
  torch::Tensor lengths_B;  // position of the first new token; int64, on the prompts' device
};

// prompts (B, T, D) embeddings, right-padded; lengths (B) int64 between 1 and T (std::logic_error otherwise).
ReadPrompts read_prompts(LanguageModel& model, const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B);

}  // namespace usam::decode
