#pragma once
// Lays the parts of a sample (prompt, audio, prompt, target) side by side without padding between them.
// B rows, T positions, D width, N packed vectors.
#include <torch/torch.h>

#include <vector>

#include "data/batch.h"
#include "src/tensor/frames.h"

namespace usam::recipes {

// One part of every row's sequence: vectors of all rows behind each other, and how many belong to each row.
struct SequencePart {
  torch::Tensor x_ND;
  std::vector<int64_t> lengths;
};

// Rows of one batch as the language model reads them, right-padded.
struct Sequence {
  torch::Tensor embeds_BTD;    // zeros at padding
  torch::Tensor positions_BT;  // int64, 0, 1, 2, ... in each row
  torch::Tensor segments_BT;   // int64, 1 where a row has a vector, 0 at padding
  torch::Tensor lengths_B;     // int64
  torch::Tensor predictors_N;  // indices into B * T of the positions that predict the last part's vectors
};

// The same behind each other, without any padding.
struct PackedSequences {
  torch::Tensor embeds_ND;
  std::vector<int64_t> lengths;  // of each row
  torch::Tensor predictors_N;    // as above, indices into N
};

// Concatenates the parts row by row, in the order given.
Sequence lay_out(const std::vector<SequencePart>& parts);
PackedSequences pack(const std::vector<SequencePart>& parts);

// The valid frames of each row as a part.
SequencePart to_part(const Frames& frames);

}  // namespace usam::recipes
