#include "src/decode/prompt.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/tensor/frames.h"

namespace usam::decode {

ReadPrompts read_prompts(LanguageModel& model, const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B) {
  const int64_t batch = prompts_BTD.size(0), longest = prompts_BTD.size(1);
  const auto lengths = to_vector(lengths_B);
  if (std::ssize(lengths) != batch ||
      std::ranges::any_of(lengths, [&](int64_t length) { return length < 1 || length > longest; }))
    internal_error("{} prompts of at most {} positions do not go with lengths of shape ({}) out of 1 to {}", batch,
                   longest, lengths.size(), longest);
  std::vector<torch::Tensor> rows;
  for (int64_t b = 0; b < batch; ++b) rows.push_back(prompts_BTD[b].narrow(0, 0, lengths[static_cast<size_t>(b)]));
  auto cache = model.make_cache();
  const auto hidden_ND = model.forward_packed(torch::cat(rows), lengths, cache.get());
  const auto next_B = to_device(lengths, prompts_BTD.device());
  return {std::move(cache), hidden_ND.index_select(0, next_B.cumsum(0) - 1), next_B};
}

void select_rows(ReadPrompts& prompts, const std::vector<int64_t>& places) {
  bool is_same = std::ssize(places) == prompts.lengths_B.size(0);
  for (size_t i = 0; is_same && i < places.size(); ++i) is_same = places[i] == static_cast<int64_t>(i);
  if (is_same) return;
  const auto places_B = to_device(places, prompts.lengths_B.device());
  prompts.cache->select_rows(places_B);
  prompts.last_BD = prompts.last_BD.index_select(0, places_B);
  prompts.lengths_B = prompts.lengths_B.index_select(0, places_B);
}

void append_rows(ReadPrompts& rows, ReadPrompts more) {
  if (!rows.cache) {
    rows = std::move(more);
    return;
  }
  rows.cache->append_rows(*more.cache);
  rows.last_BD = torch::cat({rows.last_BD, more.last_BD});
  rows.lengths_B = torch::cat({rows.lengths_B, more.lengths_B});
}

void read_tokens(LanguageModel& model, ReadPrompts& prompts, const std::vector<int64_t>& ids) {
  const auto ids_B1 = to_device(ids, prompts.lengths_B.device()).unsqueeze(1);
  const auto positions_B1 = prompts.lengths_B.unsqueeze(1);
  prompts.last_BD =
      model.forward(model.embed(ids_B1), positions_B1, torch::ones_like(positions_B1), prompts.cache.get()).squeeze(1);
  prompts.lengths_B = prompts.lengths_B + 1;
}

void refuse_not_finite(const torch::Tensor& scores) {
  if (scores.isfinite().all().item<bool>()) return;
  user_error(
      "The language model's scores of the next token are no finite numbers, so none can be chosen. Training of "
      "these values has diverged, or they do not fit recipe.llm.dtype: float16, whose largest number is 65504.");
}

}  // namespace usam::decode
