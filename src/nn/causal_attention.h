#pragma once
// Causal attention over segments, with grouped key/value heads. B batch, H query heads, G key/value heads, T queries,
// S keys (the last T of them belong to the queries), K head width.
#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "src/nn/one_query_attention.h"

namespace usam::nn {

// Which keys each query sees: plain causal (no tensor at all, the fast path), a mask, or, of one query after others on
// a processor, a list.
struct CausalMask {
  bool is_plain = true;
  torch::Tensor allowed_B1TS;            // bool; undefined when is_plain
  std::shared_ptr<const SeenKeys> seen;  // or this
};

// Segments (B, S) int64 of all keys: a query sees the keys up to itself that bear its own number. Padding bears 0 and
// so sees padding only: no softmax is ever taken over nothing. With a window it sees the nearest `window` of these
// keys, itself included; padding between them does not count. Plain when S == T, every row is one segment followed by
// padding and no window cuts anything off.
CausalMask causal_mask(const torch::Tensor& segments_BS, int64_t queries, std::optional<int64_t> window = std::nullopt);

// Scaled dot-product attention; H is a multiple of G. Returns (B, T, H * K).
torch::Tensor grouped_attention(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BGSK,
                                const torch::Tensor& values_BGSK, const CausalMask& mask);

}  // namespace usam::nn
