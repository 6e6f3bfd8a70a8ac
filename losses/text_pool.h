#pragma once
// Whose texts a sample's negatives are. B samples of this rank, N of the pool, W ids.
#include "src/dist/communicator.h"

namespace usam::losses {

// Target texts as token ids: of this rank's micro-batch alone, or of all ranks' micro-batches at one inner step.
struct TextPool {
  torch::Tensor ids_NW;     // int64, padded
  torch::Tensor lengths_N;  // int64, in host memory
  int64_t first = 0;        // this rank's own samples stand from here on
};

// The texts of all ranks, in rank order; every rank calls it at the same inner step, also without a sample: ids (B, W),
// lengths (B) in host memory, int64. Alone, a rank gets its own back.
TextPool pool_texts(const torch::Tensor& ids_BW, const torch::Tensor& lengths_B, dist::Communicator& ranks);

// Which texts are equal over their valid ids -> (N, N) bool.
torch::Tensor equal_texts(const TextPool& pool);

}  // namespace usam::losses
