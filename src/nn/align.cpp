// B rows, T source frames, N target frames, D width.
#include "src/nn/align.h"

namespace usam::nn {

torch::Tensor align(const Frames& stream, const torch::Tensor& counts_B, int64_t size) {
  const auto B = stream.x_BTD.size(0), T = stream.x_BTD.size(1), D = stream.x_BTD.size(2);
  const auto has_frames_B = stream.lengths_B > 0;
  const auto valid_BN1 = length_mask(counts_B * has_frames_B, size, stream.x_BTD.device()).unsqueeze(2);
  if (B == 0 || T == 0) return torch::zeros({B, size, D}, stream.x_BTD.options());
  // As ATen computes them, in single precision: source position = (n + 1/2) * T_i / N_i - 1/2, not below 0.
  const auto there = [&](const torch::Tensor& x_B) { return to_device(x_B, stream.x_BTD.device()).unsqueeze(1); };
  const auto last_B1 = there((stream.lengths_B - 1).clamp_min(0));
  const auto scale_B1 = there(stream.lengths_B.to(torch::kFloat) / counts_B.clamp_min(1).to(torch::kFloat));
  const auto target_N = torch::arange(size, scale_B1.options());
  const auto position_BN = (scale_B1 * (target_N + 0.5) - 0.5).clamp_min(0);
  const auto before_BN = position_BN.to(torch::kLong).minimum(last_B1);
  const auto after_BN = (before_BN + 1).minimum(last_B1);
  const auto share_BN1 = (position_BN - before_BN).clamp(0, 1).unsqueeze(2).to(stream.x_BTD.scalar_type());
  // Rows are fetched by index_select on the flattened stream, which copies whole frames.
  const auto row_B1 = T * torch::arange(B, before_BN.options()).unsqueeze(1);
  const auto flat = stream.x_BTD.reshape({B * T, D});
  const auto fetch = [&](const torch::Tensor& index_BN) {
    return flat.index_select(0, (row_B1 + index_BN).flatten()).view({B, size, D});
  };
  return ((1 - share_BN1) * fetch(before_BN) + share_BN1 * fetch(after_BN)).masked_fill(~valid_BN1, 0);
}

Frames fuse(const std::vector<Frames>& streams, const torch::Tensor& counts_B, double hz) {
  const int64_t size = counts_B.numel() == 0 ? 0 : counts_B.max().item<int64_t>();
  std::vector<torch::Tensor> aligned;
  for (const auto& stream : streams) aligned.push_back(align(stream, counts_B, size));
  return {torch::cat(aligned, 2), counts_B, hz};
}

}  // namespace usam::nn
