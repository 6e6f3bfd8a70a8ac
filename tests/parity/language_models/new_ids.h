#pragma once
// Greedy ids, as transformers gives them and as usam does.
#include <torch/torch.h>

#include <algorithm>
#include <string>
#include <vector>

#include "src/decode/generate.h"
#include "src/models/generation_config.h"

namespace usam::test {

using Ids = std::vector<std::vector<int64_t>>;

// Rows of golden ids without the prompt, cut at the first end token of the folder.
inline Ids new_ids(const torch::Tensor& sequences_BT, int64_t prompt, const std::string& folder) {
  const auto eos = eos_ids(folder);
  Ids rows;
  for (int64_t b = 0; b < sequences_BT.size(0); ++b) {
    rows.emplace_back();
    for (int64_t t = prompt; t < sequences_BT.size(1); ++t) {
      const auto id = sequences_BT[b][t].item<int64_t>();
      if (std::find(eos.begin(), eos.end(), id) != eos.end()) break;
      rows.back().push_back(id);
    }
  }
  return rows;
}

// 24 tokens at most, as the goldens have.
inline Ids decode(LanguageModel& model, const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B,
                  const std::string& folder) {
  Ids rows;
  const decode::Options options{.max_new_tokens = 24, .eos = eos_ids(folder)};
  for (auto& hypotheses : decode::generate(model, prompts_BTD, lengths_B, options))
    rows.push_back(hypotheses.front().ids);
  return rows;
}

// Left-padded rows moved to the front of their rows: what the decoder is given.
inline torch::Tensor to_front(const torch::Tensor& x_BT_, const torch::Tensor& mask_BT) {
  auto out = torch::zeros_like(x_BT_);
  for (int64_t b = 0; b < x_BT_.size(0); ++b) {
    auto valid = x_BT_[b].index({mask_BT[b].to(torch::kBool)});
    out[b].narrow(0, 0, valid.size(0)).copy_(valid);
  }
  return out;
}

}  // namespace usam::test
