// B rows, T frames, K most kept frames of a row, D width.
#include "src/nn/frame_select.h"

#include <limits>

namespace usam::nn {

torch::Tensor kept_frames(const torch::Tensor& lengths_B, double share) {
  // In doubles, as the reference has it: of 100 frames a share of 0.55 is 56.
  return (lengths_B.to(torch::kDouble) * share).ceil().to(torch::kLong).clamp_min(1).minimum(lengths_B);
}

torch::Tensor mask_from_scores(const torch::Tensor& scores_BT, const torch::Tensor& valid_BT, double share) {
  const torch::NoGradGuard no_grad;
  const auto ranked = scores_BT.masked_fill(~valid_BT, -std::numeric_limits<double>::infinity());
  const auto order_BT = std::get<1>(ranked.sort(/*stable=*/true, /*dim=*/1, /*descending=*/true));
  const auto counts_B1 = kept_frames(valid_BT.sum(1, /*keepdim=*/true), share);
  const auto place_T = torch::arange(scores_BT.size(1), order_BT.options());
  // In order of rank the first counts are true; scatter puts them back at their frames.
  const auto kept_by_rank_BT = place_T.unsqueeze(0) < counts_B1;
  return torch::zeros_like(valid_BT).scatter(1, order_BT, kept_by_rank_BT).logical_and(valid_BT);
}

Frames select_frames(const Frames& frames, const torch::Tensor& keep_BT, const torch::Tensor& counts_B) {
  const int64_t size = counts_B.numel() == 0 ? 0 : counts_B.max().item<int64_t>();
  // A stable sort of "dropped" brings the kept frames to the front in their order.
  const auto order_BT =
      std::get<1>(keep_BT.logical_not().to(torch::kByte).sort(/*stable=*/true, /*dim=*/1, /*descending=*/false));
  const auto order_BK1 = order_BT.narrow(1, 0, size).unsqueeze(2);
  const auto valid_BK = length_mask(counts_B, size, frames.x_BTD.device());
  const auto x_BKD = frames.x_BTD.gather(1, order_BK1.expand({-1, -1, frames.x_BTD.size(2)}));
  return {x_BKD.masked_fill(~valid_BK.unsqueeze(2), 0), counts_B, frames.hz};
}

}  // namespace usam::nn
