#include "src/decode/score.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/decode/prompt.h"
#include "src/tensor/frames.h"

namespace usam::decode {
namespace {

// One candidate of one prompt.
struct Item {
  int64_t prompt = 0, candidate = 0;
  const Ids* ids = nullptr;
};

// Shorter ones first, so that what is scored together is of about one length.
std::vector<Item> sorted_items(const std::vector<std::vector<Ids>>& candidates) {
  std::vector<Item> items;
  for (size_t b = 0; b < candidates.size(); ++b) {
    for (size_t c = 0; c < candidates[b].size(); ++c) {
      if (candidates[b][c].empty()) internal_error("candidate {} of prompt {} has no tokens to be scored", c, b);
      items.push_back({static_cast<int64_t>(b), static_cast<int64_t>(c), &candidates[b][c]});
    }
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.ids->size() < b.ids->size(); });
  return items;
}

// Continuations right-padded with 0, (R, W), and their lengths (R).
std::pair<torch::Tensor, torch::Tensor> padded(const std::vector<Item>& items) {
  const auto rows = static_cast<int64_t>(items.size());
  auto ids_RW = torch::zeros({rows, static_cast<int64_t>(items.back().ids->size())}, torch::kLong);
  auto lengths_R = torch::empty({rows}, torch::kLong);
  for (int64_t r = 0; r < rows; ++r) {
    const auto& ids = *items[static_cast<size_t>(r)].ids;
    std::copy(ids.begin(), ids.end(), ids_RW[r].data_ptr<int64_t>());
    lengths_R[r] = static_cast<int64_t>(ids.size());
  }
  return {ids_RW, lengths_R};
}

// Mean log-probabilities (R), on the CPU, of continuations whose prompts have been read.
torch::Tensor score_together(LanguageModel& model, const ReadPrompts& prompts, const std::vector<Item>& items) {
  std::vector<int64_t> rows;
  for (const auto& item : items) rows.push_back(item.prompt);
  const auto device = prompts.last_BD.device();
  auto rows_R = to_device(rows, device);
  auto [ids_RW, lengths_R] = padded(items);
  ids_RW = to_device(ids_RW, device), lengths_R = to_device(lengths_R, device);
  auto hidden_RWD = prompts.last_BD.index_select(0, rows_R).unsqueeze(1);
  if (const int64_t read = ids_RW.size(1) - 1; read > 0) {  // the last token is predicted, never read
    auto inputs_RW = ids_RW.narrow(1, 0, read);
    auto positions_RW = prompts.lengths_B.index_select(0, rows_R).unsqueeze(1) + torch::arange(read, rows_R.options());
    auto segments_RW = length_mask(lengths_R - 1, read).to(torch::kLong);
    auto cache = prompts.cache->copy_rows(rows_R);
    auto next_RWD = model.forward(model.embed(inputs_RW), positions_RW, segments_RW, cache.get());
    hidden_RWD = torch::cat({hidden_RWD.to(next_RWD.scalar_type()), next_RWD}, 1);
  }
  auto log_p_RWV = model.logits(hidden_RWD).to(torch::kFloat).log_softmax(-1);
  auto log_p_RW = log_p_RWV.gather(-1, ids_RW.unsqueeze(-1)).squeeze(-1);
  auto is_token_RW = length_mask(lengths_R, ids_RW.size(1));
  auto sums_R = log_p_RW.masked_fill(is_token_RW.logical_not(), 0).sum(1, false, torch::kDouble);
  return (sums_R / lengths_R).to(torch::kCPU);
}

}  // namespace

std::vector<std::vector<double>> score(LanguageModel& model, const torch::Tensor& prompts_BTD,
                                       const torch::Tensor& lengths_B, const std::vector<std::vector<Ids>>& candidates,
                                       const ScoreOptions& options) {
  const c10::InferenceMode inference;
  if (static_cast<int64_t>(candidates.size()) != prompts_BTD.size(0))
    internal_error("{} prompts, but candidates for {}", prompts_BTD.size(0), candidates.size());
  std::vector<std::vector<double>> scores;
  for (const auto& of_prompt : candidates) scores.emplace_back(of_prompt.size());
  const auto items = sorted_items(candidates);
  if (items.empty()) return scores;
  const auto prompts = read_prompts(model, prompts_BTD, lengths_B);
  prompts.cache->reserve(prompts_BTD.size(1) + std::ssize(*items.back().ids) - 1);
  const auto together = static_cast<size_t>(std::max<int64_t>(options.rows, 1));
  for (size_t begin = 0; begin < items.size(); begin += together) {
    const std::vector<Item> some(items.begin() + static_cast<std::ptrdiff_t>(begin),
                                 items.begin() + static_cast<std::ptrdiff_t>(std::min(begin + together, items.size())));
    const auto means_R = score_together(model, prompts, some);
    refuse_not_finite(means_R);
    for (size_t r = 0; r < some.size(); ++r) {
      scores[static_cast<size_t>(some[r].prompt)][static_cast<size_t>(some[r].candidate)] =
          means_R[static_cast<int64_t>(r)].item<double>();
    }
  }
  return scores;
}

}  // namespace usam::decode
