#include "recipes/usam/sequence.h"

#include <algorithm>
#include <numeric>

namespace usam::recipes {

std::vector<int64_t> to_vector(const torch::Tensor& lengths_B) {
  const auto host = lengths_B.to(torch::kCPU, torch::kInt64).contiguous();
  return {host.data_ptr<int64_t>(), host.data_ptr<int64_t>() + host.numel()};
}

SequencePart to_part(const Frames& frames) {
  // Row-major order of the mask is the rows' order, and valid frames come first in each.
  return {frames.x_BTD.flatten(0, 1).index_select(0, frames.valid_BT.flatten().nonzero().squeeze(1)),
          to_vector(frames.lengths_B())};
}

Sequence lay_out(const std::vector<SequencePart>& parts) {
  const size_t rows = parts.front().lengths.size();
  std::vector<int64_t> lengths(rows, 0);
  for (const auto& part : parts) {
    for (size_t b = 0; b < rows; ++b) lengths[b] += part.lengths[b];
  }
  const int64_t width = rows ? *std::max_element(lengths.begin(), lengths.end()) : 0;

  // All parts stand behind each other in `source`, a vector of zeros last; `index` says which of them each position
  // takes.
  std::vector<torch::Tensor> vectors;
  std::vector<int64_t> next;  // in `source`, of each part
  int64_t total = 0;
  for (const auto& part : parts) {
    vectors.push_back(part.x_ND);
    next.push_back(total);
    total += part.x_ND.size(0);
  }
  vectors.push_back(torch::zeros({1, vectors.front().size(1)}, vectors.front().options()));
  std::vector<int64_t> index(rows * static_cast<size_t>(width), total), predictors;
  for (size_t b = 0; b < rows; ++b) {
    auto at = index.begin() + static_cast<int64_t>(b) * width;
    for (size_t p = 0; p < parts.size(); ++p) {
      const int64_t count = parts[p].lengths[b];
      std::iota(at, at + count, next[p]);
      next[p] += count;
      at += count;
    }
    const int64_t end = static_cast<int64_t>(b) * width + lengths[b], target = parts.back().lengths[b];
    for (int64_t i = end - target; i < end; ++i) predictors.push_back(i - 1);
  }

  const auto device = parts.front().x_ND.device();
  auto to_tensor = [&](const std::vector<int64_t>& v) {
    return torch::tensor(v, torch::kInt64).to(device, /*non_blocking=*/true);
  };
  Sequence out;
  const auto batch = static_cast<int64_t>(rows);
  out.embeds_BTD = torch::cat(vectors).index_select(0, to_tensor(index)).view({batch, width, vectors.front().size(1)});
  out.lengths_B = to_tensor(lengths);
  out.segments_BT = length_mask(out.lengths_B, width).to(torch::kInt64);
  out.positions_BT = torch::arange(width, out.lengths_B.options()).unsqueeze(0).expand({batch, width});
  out.predictors_N = to_tensor(predictors);
  return out;
}

}  // namespace usam::recipes
