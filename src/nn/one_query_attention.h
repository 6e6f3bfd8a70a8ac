#pragma once
// Attention of one new position to the keys of a cache, on a processor. B rows, H query heads, G key/value heads, S
// keys, K head width.
#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace usam::nn {

// Which keys the last position of each row sees, as runs of positions.
struct SeenKeys {
  struct Run {
    int64_t begin = 0, end = 0;
  };
  std::vector<Run> runs;              // row by row, ascending
  std::vector<size_t> first_of_rows;  // B + 1: where each row's runs begin
  int64_t keys = 0, most = 0;         // S, and how many a row sees at most
};

// Segments (B, S) int64 on the processor: the last position sees those of its own number, with a window the nearest
// `window` of these.
SeenKeys seen_keys(const torch::Tensor& segments_BS, std::optional<int64_t> window = std::nullopt);

// The same as (B, 1, 1, S) bool.
torch::Tensor mask_of(const SeenKeys& seen);

// Whether the kernel below takes these: fp32 on a processor, no graph wanted, channels next to each other.
bool can_attend_one_query(const torch::Tensor& queries_BH1K, const torch::Tensor& keys_BGSK,
                          const torch::Tensor& values_BGSK);
// Scaled dot-product attention, (B, 1, H * K): each key and value is read once for all heads of its group.
torch::Tensor one_query_attention(const torch::Tensor& queries_BH1K, const torch::Tensor& keys_BGSK,
                                  const torch::Tensor& values_BGSK, const SeenKeys& seen);

}  // namespace usam::nn
