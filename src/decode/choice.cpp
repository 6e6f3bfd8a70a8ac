#include "src/decode/choice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/decode/constraint.h"
#include "src/nn/cpu_kernel.h"
#include "src/nn/fast_exp.h"
#include "src/tensor/parallel.h"
#include "src/tensor/to_device.h"

namespace usam::decode {
namespace {

constexpr double kForbidden = -std::numeric_limits<double>::infinity();

// Places in a tensor (R, V).
struct Places {
  std::vector<int64_t> rows, ids;
  void add(size_t row, const Ids& of_row) {
    rows.insert(rows.end(), of_row.size(), static_cast<int64_t>(row));
    ids.insert(ids.end(), of_row.begin(), of_row.end());
  }
  std::pair<torch::Tensor, torch::Tensor> on(const torch::Device& device) const {
    return {to_device(rows, device), to_device(ids, device)};
  }
};

// Tokens that a row holds become less likely.
torch::Tensor penalised(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows, double penalty) {
  Places held;
  for (size_t r = 0; r < rows.size(); ++r) held.add(r, *rows[r]);
  const auto [rows_N, ids_N] = held.on(scores_RV.device());
  const auto at_N = scores_RV.index({rows_N, ids_N});
  return scores_RV.index_put({rows_N, ids_N}, torch::where(at_N < 0, at_N * penalty, at_N / penalty));
}

torch::Tensor without_early_ends(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows,
                                 const Options& options) {
  Places ends;
  for (size_t r = 0; r < rows.size(); ++r)
    if (std::ssize(*rows[r]) < options.min_new_tokens) ends.add(r, options.eos);
  const auto [rows_N, ids_N] = ends.on(scores_RV.device());
  return scores_RV.index_put({rows_N, ids_N}, torch::full({}, kForbidden, scores_RV.options()));
}

torch::Tensor constrained(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows, const Options& options) {
  Places allowed;
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto next = options.constraint->next(*rows[r]);
    allowed.add(r, next.ids);
    if (next.may_end) allowed.add(r, options.eos);
  }
  const auto [rows_N, ids_N] = allowed.on(scores_RV.device());
  return torch::full_like(scores_RV, kForbidden).index_put_({rows_N, ids_N}, scores_RV.index({rows_N, ids_N}));
}

torch::Tensor normalised(const torch::Tensor& p_RV) {
  return p_RV / p_RV.sum(-1, true);
}

bool can_scan(const torch::Tensor& scores_RV) {
  return nn::is_plain_fp32(scores_RV) && scores_RV.size(1) > 0;
}

USAM_INLINE inline float largest_of(const float* x, int64_t count) {
  float lanes[kLanes], largest = x[0];
  std::fill_n(lanes, kLanes, x[0]);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  for (; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
  for (const float lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

// Sum of e^(x - largest).
USAM_INLINE inline float sum_of_exponentials(const float* x, int64_t count, float largest) {
  float lanes[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] += nn::fast_exp(x[i + j] - largest);
  for (; i < count; ++i) sum += nn::fast_exp(x[i] - largest);
  for (const float lane : lanes) sum += lane;
  return sum;
}

// The highest score's token (of equal ones that of the lowest id) in two passes over a row, where operators on tensors
// take a dozen.
Continuations likeliest(const torch::Tensor& logits_RV, const torch::Tensor& scores_RV) {
  const int64_t rows = logits_RV.size(0), vocabulary = logits_RV.size(1);
  const auto ids_RK = torch::empty({rows, 1}, torch::kDouble), log_probs_RK = torch::empty({rows, 1}, torch::kDouble);
  const float *logits = logits_RV.const_data_ptr<float>(), *scores = scores_RV.const_data_ptr<float>();
  auto *ids = ids_RK.data_ptr<double>(), *log_probs = log_probs_RK.data_ptr<double>();
  parallel_for(0, rows, std::max<int64_t>(1, nn::kCpuGrain / vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float *own = logits + r * vocabulary, *scored = scores + r * vocabulary;
      float largest = 0, best = 0, sum = 0;
      widest([&]() USAM_INLINE {
        largest = largest_of(own, vocabulary);
        best = scored == own ? largest : largest_of(scored, vocabulary);
        sum = sum_of_exponentials(own, vocabulary, largest);
      });
      const auto id = std::min<int64_t>(std::find(scored, scored + vocabulary, best) - scored, vocabulary - 1);
      ids[r] = static_cast<double>(id);
      log_probs[r] = static_cast<double>(own[id] - largest - std::log(sum));
    }
  });
  return {log_probs_RK, log_probs_RK, ids_RK};
}

}  // namespace

int64_t candidates_kept(const Options& options) {
  return std::max<int64_t>(2, 1 + std::ssize(options.eos)) * options.beams;
}

Continuations continuations(const torch::Tensor& logits_RV, const std::vector<const Ids*>& rows,
                            const std::vector<double>& uniforms, const Options& options) {
  torch::Tensor scores_RK, log_probs_RK, ids_RK;
  if (options.beams > 1) {
    const auto log_p_RV = logits_RV.log_softmax(-1);
    const auto kept = std::min(candidates_kept(options), log_p_RV.size(1));
    std::tie(scores_RK, ids_RK) = adjusted(log_p_RV, rows, options).topk(kept, -1);
    log_probs_RK = log_p_RV.gather(-1, ids_RK);
  } else {
    const auto scores_RV = adjusted(logits_RV, rows, options);
    if (!options.draws() && can_scan(logits_RV) && can_scan(scores_RV)) return likeliest(logits_RV, scores_RV);
    const auto ids_R = options.draws()
                           ? draw(probabilities(scores_RV, options), torch::tensor(uniforms, torch::kDouble))
                           : scores_RV.argmax(-1);
    ids_RK = ids_R.unsqueeze(1);
    log_probs_RK = scores_RK = logits_RV.gather(-1, ids_RK) - logits_RV.logsumexp(-1, true);
  }
  const auto all =
      torch::stack({scores_RK.to(torch::kDouble), log_probs_RK.to(torch::kDouble), ids_RK.to(torch::kDouble)})
          .cpu();  // one transfer
  return {all[0], all[1], all[2]};
}

torch::Tensor adjusted(const torch::Tensor& scores_RV, const std::vector<const Ids*>& rows, const Options& options) {
  auto out_RV = scores_RV;
  if (options.repetition_penalty != 1) out_RV = penalised(out_RV, rows, options.repetition_penalty);
  if (options.min_new_tokens > 0 && !options.eos.empty()) out_RV = without_early_ends(out_RV, rows, options);
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
