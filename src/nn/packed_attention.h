#pragma once
// Causal attention of sequences that lie behind each other without padding. N positions of all of them, T of one, H
// query heads, G key/value heads, K head width, R sequences.
#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace usam::nn {

// How long the sequences are, known on the host, and what the device needs of it.
struct Packing {
  std::vector<int64_t> lengths;
  int64_t longest = 0;
  std::optional<int64_t> window;        // positions that each sees, its own included
  torch::Tensor offsets;                // (R + 1) int32 on the device, where each begins; undefined on the CPU
  std::vector<torch::Tensor> masks_TT;  // of each sequence longer than the window, bool; undefined for the others
};
Packing packing(const std::vector<int64_t>& lengths, torch::Device device,
                std::optional<int64_t> window = std::nullopt);

// 0, 1, 2, ... in each sequence: (N) int64.
torch::Tensor positions_of(const std::vector<int64_t>& lengths, torch::Device device);

// Scaled dot-product attention within each sequence; H is a multiple of G. Returns (N, H * K). No mask is made but
// Packing's, no key or value is repeated on the CPU, and none is padded.
torch::Tensor packed_attention(const torch::Tensor& queries_NHK, const torch::Tensor& keys_NGK,
                               const torch::Tensor& values_NGK, const Packing& packing);
// The definition, one sequence after the other by torch's operators: what packed_attention() does where it knows of
// nothing faster.
torch::Tensor composite_packed_attention(const torch::Tensor& queries_NHK, const torch::Tensor& keys_NGK,
                                         const torch::Tensor& values_NGK, const Packing& packing);

}  // namespace usam::nn
