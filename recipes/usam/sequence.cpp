#include "recipes/usam/sequence.h"

#include <algorithm>
#include <numeric>

namespace usam::recipes {

SequencePart to_part(const Frames& frames) {
  const auto& x_BTD = frames.x_BTD;
  return {x_BTD.flatten(0, 1).index_select(0, valid_places(frames.lengths_B, x_BTD.size(1), x_BTD.device())),
          to_vector(frames.lengths_B)};
}

namespace {

std::vector<int64_t> lengths_of_rows(const std::vector<SequencePart>& parts) {
  std::vector<int64_t> lengths(parts.front().lengths.size(), 0);
  for (const auto& part : parts) {
    for (size_t b = 0; b < lengths.size(); ++b) lengths[b] += part.lengths[b];
  }
  return lengths;
}

// All parts' vectors stand behind each other in one source; `index` says which of them each place takes.
struct Order {
  std::vector<int64_t> index, predictors;
};

// Row b begins at place `starts[b]` of `places`; `filler` is the index of places that no row has.
Order order_of(const std::vector<SequencePart>& parts, const std::vector<int64_t>& starts, int64_t places,
               int64_t filler) {
  Order out{std::vector<int64_t>(static_cast<size_t>(places), filler), {}};
  std::vector<int64_t> next;  // in the source, of each part
  int64_t total = 0;
  for (const auto& part : parts) {
    next.push_back(total);
    total += part.x_ND.size(0);
  }
  for (size_t b = 0; b < starts.size(); ++b) {
    int64_t place = starts[b];
    for (size_t p = 0; p < parts.size(); ++p) {
      const int64_t count = parts[p].lengths[b];
      const auto at = out.index.begin() + place;
      std::iota(at, at + count, next[p]);
      next[p] += count;
      place += count;
    }
    for (int64_t i = place - parts.back().lengths[b]; i < place; ++i) out.predictors.push_back(i - 1);
  }
  return out;
}

std::vector<torch::Tensor> vectors_of(const std::vector<SequencePart>& parts) {
  std::vector<torch::Tensor> vectors;
  for (const auto& part : parts) vectors.push_back(part.x_ND);
  return vectors;
}

}  // namespace

PackedSequences pack(const std::vector<SequencePart>& parts) {
  PackedSequences out{{}, lengths_of_rows(parts), {}};
  std::vector<int64_t> starts;
  int64_t total = 0;
  for (const int64_t length : out.lengths) {
    starts.push_back(total);
    total += length;
  }
  const auto order = order_of(parts, starts, total, 0);
  const auto device = parts.front().x_ND.device();
  out.embeds_ND = torch::cat(vectors_of(parts)).index_select(0, to_device(order.index, device));
  out.predictors_N = to_device(order.predictors, device);
  return out;
}

Sequence lay_out(const std::vector<SequencePart>& parts) {
  const auto lengths = lengths_of_rows(parts);
  const auto batch = static_cast<int64_t>(lengths.size());
  const int64_t longest = batch ? *std::max_element(lengths.begin(), lengths.end()) : 0;
  std::vector<int64_t> starts;
  for (int64_t b = 0; b < batch; ++b) starts.push_back(b * longest);
  auto vectors = vectors_of(parts);
  int64_t filler = 0;
  for (const auto& x_ND : vectors) filler += x_ND.size(0);
  vectors.push_back(torch::zeros({1, vectors.front().size(1)}, vectors.front().options()));
  const auto order = order_of(parts, starts, batch * longest, filler);
  const auto device = parts.front().x_ND.device();
  const auto source_ND = torch::cat(vectors);
  Sequence out;
  out.embeds_BTD = source_ND.index_select(0, to_device(order.index, device)).view({batch, longest, source_ND.size(1)});
  out.lengths_B = to_device(lengths, device);
  out.segments_BT = length_mask(out.lengths_B, longest).to(torch::kInt64);
  out.positions_BT = torch::arange(longest, out.lengths_B.options()).unsqueeze(0).expand({batch, longest});
  out.predictors_N = to_device(order.predictors, device);
  return out;
}

}  // namespace usam::recipes
