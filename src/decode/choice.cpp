#include "src/decode/choice.h"

#include <algorithm>
#include <limits>

#include "src/decode/constraint.h"

namespace usam::decode {
namespace {

// (R, S) int64: the tokens of S steps.
torch::Tensor stacked(const std::vector<const Ids*>& rows, const torch::Device& device) {
  const auto steps = static_cast<int64_t>(rows.front()->size());
  auto ids_RS = torch::empty({std::ssize(rows), steps}, torch::kLong);
  auto* to = ids_RS.data_ptr<int64_t>();
  for (const auto* row : rows) to = std::copy(row->begin(), row->end(), to);
  return ids_RS.to(device);
}

constexpr double kForbidden = -std::numeric_limits<double>::infinity();

torch::Tensor constrained(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows, const Options& options) {
  std::vector<int64_t> at_row, at_id;
  for (size_t r = 0; r < rows.size(); ++r) {
    auto next = options.constraint->next(*rows[r]);
    if (next.may_end) next.ids.insert(next.ids.end(), options.eos.begin(), options.eos.end());
    at_row.insert(at_row.end(), next.ids.size(), static_cast<int64_t>(r));
    at_id.insert(at_id.end(), next.ids.begin(), next.ids.end());
  }
  const auto to_index = [&](const std::vector<int64_t>& at) {
    return torch::tensor(at, torch::kLong).to(scores_RV.device());
  };
  const auto rows_N = to_index(at_row), ids_N = to_index(at_id);
  return torch::full_like(scores_RV, kForbidden).index_put_({rows_N, ids_N}, scores_RV.index({rows_N, ids_N}));
}

torch::Tensor normalised(const torch::Tensor& p_RV) {
  return p_RV / p_RV.sum(-1, true);
}

}  // namespace

torch::Tensor adjusted(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows, const Options& options) {
  auto out_RV = scores_RV;
  const auto step = static_cast<int64_t>(rows.front()->size());
  if (options.repetition_penalty != 1 && step > 0) {
    const auto held_RS = stacked(rows, scores_RV.device());
    const auto at_RS = out_RV.gather(-1, held_RS);
    const auto less_RS =
        torch::where(at_RS < 0, at_RS * options.repetition_penalty, at_RS / options.repetition_penalty);
    out_RV = out_RV.scatter(-1, held_RS, less_RS);
  }
  if (step < options.min_new_tokens && !options.eos.empty()) {
    const auto ends = torch::tensor(options.eos, torch::kLong).to(out_RV.device());
    out_RV = out_RV.index_fill(-1, ends, kForbidden);
  }
  return options.constraint ? constrained(out_RV, rows, options) : out_RV;
}

torch::Tensor probabilities(const torch::Tensor& scores_RV, const Options& options) {
  auto p_RV = (scores_RV.to(torch::kDouble) / options.temperature).softmax(-1);
  if (options.top_k == 0 && options.top_p >= 1) return p_RV;
  auto [sorted_RV, ids_RV] = p_RV.sort(true, -1, true);
  if (options.top_k > 0 && options.top_k < sorted_RV.size(1)) {
    sorted_RV = sorted_RV.narrow(1, 0, options.top_k), ids_RV = ids_RV.narrow(1, 0, options.top_k);
    sorted_RV = normalised(sorted_RV);
  }
  if (options.top_p < 1) {
    const auto before_RV = sorted_RV.cumsum(-1) - sorted_RV;
    auto left_out_RV = before_RV >= options.top_p;
    left_out_RV.select(1, 0).fill_(false);
    sorted_RV = sorted_RV.masked_fill(left_out_RV, 0);
  }
  return torch::zeros_like(p_RV).scatter(-1, ids_RV, normalised(sorted_RV));
}

torch::Tensor draw(const torch::Tensor& probabilities_RV, const torch::Tensor& uniforms_R) {
  const auto sums_RV = probabilities_RV.cumsum(-1);
  // Below the whole sum by more than its rounding, so that some token is always beyond it.
  const auto thresholds_R1 = uniforms_R.to(sums_RV.device()).clamp_max(1 - 1e-12).unsqueeze(1) * sums_RV.slice(1, -1);
  return (sums_RV > thresholds_R1).logical_and(probabilities_RV > 0).to(torch::kByte).argmax(-1);
}

}  // namespace usam::decode
