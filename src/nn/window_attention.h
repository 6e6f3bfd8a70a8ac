#pragma once
// Attention of a few queries to the frames of their own window.
// B rows, T frames, N windows, K frames of a window, Q queries, D hidden width, C width of the frames.
#include <torch/torch.h>

#include "src/nn/linear.h"

namespace usam::nn {

// Stretches of rows of frames, none of which overlap. starts (N) int64: the first frame of each in the flattened (B x
// T) frames; counts (N) int64: how many there are, from 1 to `size`. On the frames' device.
struct Windows {
  torch::Tensor x_BTC;
  torch::Tensor starts_N, counts_N;
  int64_t size = 0;
};

struct WindowAttentionOptions {
  int64_t heads = 1;
  double dropout = 0;  // of the attention's weights; the caller gives 0 outside of training
};

// Multi-head attention of projected queries, (N, Q, D) or (1, Q, D) for all windows alike, to the windows' frames,
// whose keys and values the two layers (C -> D) make: softmax(q k / sqrt(D / heads)) v -> (N, Q, D).
//
// With fewer queries than frames no frame is projected: q . (W_k x) is (W_k' q) . x, the mean of W_v x is W_v times the
// mean of x, and the keys' bias moves all of a query's scores alike. That takes Q / K of the products, and keeps the
// attention's weights alone for the backward pass. Where no loop of ours computes it (other devices and types) it is
// composite_attend_windows().
torch::Tensor attend_windows(const torch::Tensor& query_NQD, const Windows& windows, Linear& key, Linear& value,
                             const WindowAttentionOptions& options);

// The definition in torch's operators.
torch::Tensor composite_attend_windows(const torch::Tensor& query_NQD, const Windows& windows, Linear& key,
                                       Linear& value, const WindowAttentionOptions& options);

}  // namespace usam::nn
