#pragma once
// What peft made (make_adapters.py), and how far logits are from each other.
#include <torch/torch.h>

#include "src/io/safetensors.h"
#include "tests/support.h"
#include "tools/inspect/language_model.h"

namespace usam::test {

// Largest difference, relative to the largest value of the reference.
inline double error_of_scale(const torch::Tensor& ours, const torch::Tensor& theirs) {
  if (ours.sizes() != theirs.sizes()) return INFINITY;
  return ((ours - theirs).abs().max() / theirs.abs().max()).item<double>();
}

// Logits of each row by itself, (B, T, V).
inline torch::Tensor logits_of_rows(LanguageModel& model, const torch::Tensor& ids_BT) {
  std::vector<torch::Tensor> rows;
  for (int64_t b = 0; b < ids_BT.size(0); ++b) rows.push_back(inspect::logits_of(model, ids_BT.narrow(0, b, 1)));
  return torch::cat(rows);
}

constexpr double kLogits = 1e-4;

}  // namespace usam::test
