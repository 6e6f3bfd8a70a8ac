#pragma once
// Rotary position embedding (Su et al. 2021, arXiv 2104.09864), the variant that rotates the two halves of a head, as
// Llama and Qwen do. B batch, T positions, H query heads, G key heads, K head width.
#include <torch/torch.h>

#include <cstdint>
#include <tuple>
#include <variant>

namespace usam::nn {

// How Llama 3.1 stretches low frequencies to longer contexts; the field names are those of config.json.
struct Llama3RopeScaling {
  double factor = 8;
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_max_position_embeddings = 8192;
  bool operator==(const Llama3RopeScaling&) const = default;
};

// Positions are divided by `factor`: "linear" in config.json, as Vicuna's models for 16 k tokens have it.
struct LinearRopeScaling {
  double factor = 1;
  bool operator==(const LinearRopeScaling&) const = default;
};

using RopeScaling = std::variant<std::monostate, LinearRopeScaling, Llama3RopeScaling>;

// Radians a position for each pair of channels: (head_width / 2) fp32. `head_width` is even.
torch::Tensor rope_frequencies(int64_t head_width, double theta, const RopeScaling& scaling = {});

// Cosine and sine of every position's angles, ready to be multiplied with queries and keys.
struct Rotation {
  torch::Tensor cos_BT1K, sin_BT1K;  // fp32; both halves of K are the same
};

// positions (B, T) int64; computed in fp32.
Rotation rotation(const torch::Tensor& frequencies, const torch::Tensor& positions_BT);

// Queries and keys turned by their positions; same types as given. B and T may be one axis in all of them.
std::tuple<torch::Tensor, torch::Tensor> rotate(const torch::Tensor& queries_BTHK, const torch::Tensor& keys_BTGK,
                                                const Rotation& by);
// The definition in torch's operators, of one of them: what rotate() does on other devices and types than fp32 on the
// CPU.
torch::Tensor composite_rotate(const torch::Tensor& x_BTHK, const Rotation& by);

}  // namespace usam::nn
