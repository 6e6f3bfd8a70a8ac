#pragma once
// The optimizer's state in a checkpoint: tensors, or stretches of them where ranks share one. One file holds all of it
// (optimizer.safetensors), or each rank writes its own (optimizer-00001-of-00004.safetensors, ...). An entry is named
// NAME when it is a whole tensor, NAME[begin:end] when it holds these elements of the flattened one, whose shape then
// stands in the file's metadata. So a state is read back by any number of ranks, however they share it.
#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "src/io/safetensors.h"

namespace usam {

// The elements [begin, begin + values.numel()) of a tensor, row by row: of shape `shape`, or flat.
struct TensorPiece {
  std::string name;
  torch::Tensor values;
  int64_t begin = 0;
  std::vector<int64_t> shape;  // of the whole tensor
};
// "Float (3, 4)", for messages.
std::string kind_text(torch::ScalarType dtype, const std::vector<int64_t>& shape);

// The name of the file that rank `rank` writes, where `files` ranks write one each.
std::string optimizer_file(int64_t rank, int64_t files);
// The optimizer's files in a checkpoint: those that its manifest lists, or, without one, those that are there.
std::vector<std::string> optimizer_files(const std::string& checkpoint);

// One file, whole or absent. Pieces of no values are left out.
void write_pieces(const std::string& path, const std::vector<TensorPiece>& pieces);

// Fills the pieces from whichever of a checkpoint's files hold their values; where several do, one is taken. A rank
// lists every tensor, those that it holds nothing of as pieces of no values, so that leftovers are told. UserError
// that lists the tensors that are missing, in part or wholly, left over, or of another shape or dtype; nothing is
// filled then.
void restore_pieces(const std::vector<TensorPiece>& targets, const std::string& checkpoint);

// How many tensors and values the files hold, by name; UserError for a file that cannot be read.
struct StoredTensor {
  std::string name;
  int64_t values = 0;
  std::string problem;  // "" or what is missing of it
};
std::vector<StoredTensor> stored_tensors(const std::string& checkpoint);

}  // namespace usam
