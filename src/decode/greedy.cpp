#include "src/decode/greedy.h"

#include <algorithm>

#include "src/decode/prompt.h"

namespace usam::decode {
namespace {

// The rows of `ids` still under way after this step: what it chose is noted in each row's hypothesis.
std::vector<int64_t> note_step(const std::vector<int64_t>& ids, const std::vector<int64_t>& rows,
                               const GreedyOptions& options, std::vector<Hypothesis>& all) {
  std::vector<int64_t> going;
  for (size_t i = 0; i < ids.size(); ++i) {
    auto& hypothesis = all[static_cast<size_t>(rows[i])];
    if (std::find(options.eos.begin(), options.eos.end(), ids[i]) != options.eos.end()) {
      hypothesis.is_ended = true;
      continue;
    }
    hypothesis.ids.push_back(ids[i]);
    going.push_back(static_cast<int64_t>(i));
  }
  return going;
}

std::vector<int64_t> to_vector(const torch::Tensor& ids_B) {
  auto on_cpu = ids_B.to(torch::kCPU, torch::kLong).contiguous();
  const auto* data = on_cpu.const_data_ptr<int64_t>();
  return {data, data + on_cpu.numel()};
}

}  // namespace

std::vector<Hypothesis> greedy(LanguageModel& model, const torch::Tensor& prompts_BTD, const torch::Tensor& lengths_B,
                               const GreedyOptions& options) {
  torch::NoGradGuard no_grad;
  std::vector<Hypothesis> all(static_cast<size_t>(prompts_BTD.size(0)));
  if (all.empty() || options.max_new_tokens < 1) return all;
  auto state = read_prompts(model, prompts_BTD, lengths_B);
  std::vector<int64_t> rows(all.size());  // of the batch at each place of the state
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);

  for (int64_t step = 0;; ++step) {
    auto ids_B = model.logits(state.last_BD).argmax(-1);
    const auto going = note_step(to_vector(ids_B), rows, options, all);
    if (going.empty() || step + 1 == options.max_new_tokens) return all;
    if (going.size() < rows.size()) {
      std::vector<int64_t> kept;
      for (auto place : going) kept.push_back(rows[static_cast<size_t>(place)]);
      rows = kept;
      auto places = torch::tensor(going, torch::kLong).to(ids_B.device());
      state.cache->select_rows(places);
      state.lengths_B = state.lengths_B.index_select(0, places);
      ids_B = ids_B.index_select(0, places);
    }
    auto positions_B1 = (state.lengths_B + step).unsqueeze(1);
    auto hidden_B1D =
        model.forward(model.embed(ids_B.unsqueeze(1)), positions_B1, torch::ones_like(positions_B1), state.cache.get());
    state.last_BD = hidden_B1D.squeeze(1);
  }
}

}  // namespace usam::decode
