#pragma once
// Checkpoints as one rank alone writes them.
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/checkpoint.h"
#include "trainer/pieces.h"

namespace usam::test {

inline std::vector<TensorPiece> whole_pieces(const io::NamedTensors& tensors) {
  std::vector<TensorPiece> pieces;
  for (const auto& [name, tensor] : tensors) pieces.push_back({name, tensor, 0, tensor.sizes().vec()});
  return pieces;
}

// Returns the checkpoint's path.
inline std::string write_checkpoint(const std::string& run, const CheckpointParts& parts) {
  std::filesystem::remove_all(partial_checkpoint(run, parts.state.step));
  return commit_checkpoint(run, parts.state.step, write_share(run, parts, 0, 1));
}

}  // namespace usam::test
