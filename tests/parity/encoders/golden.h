#pragma once
// Goldens of the reference models and how closely an encoder must meet them.
#include <torch/torch.h>

#include <string>

#include "src/io/safetensors.h"
#include "src/models/audio_encoder.h"
#include "tests/support.h"

namespace usam::test {

constexpr double kStates = 5e-5;  // of scale: the largest absolute value of the reference

// The folder of one oracle, as text.
inline std::string oracle(const std::string& name) {
  return (oracle_folder() / name).string();
}

inline io::SafetensorsFile golden(const std::string& name, const std::string& file = "golden.safetensors") {
  return io::SafetensorsFile((oracle_folder() / name / file).string());
}

// Largest difference relative to the largest value expected.
inline double relative_error(const torch::Tensor& got, const torch::Tensor& expected) {
  if (got.sizes() != expected.sizes()) return INFINITY;
  const auto difference = (got.to(torch::kDouble) - expected.to(torch::kDouble)).abs();
  return (difference.max() / expected.abs().max().clamp_min(1e-6)).item<double>();
}

inline torch::Tensor lengths(std::vector<int64_t> values) {
  return torch::tensor(values, torch::kInt64);
}

// The first `frames` frames of one row.
inline torch::Tensor clip(const torch::Tensor& x_BTD, int64_t row, int64_t frames) {
  return x_BTD[row].narrow(0, 0, frames);
}

// All states and the output of one clip against `CASE/hidden.i` and `CASE/last_hidden`.
inline void expect_states(const EncoderOutput& output, const io::SafetensorsFile& file, const std::string& name) {
  for (size_t i = 0; i < output.states_BTD.size(); ++i) {
    const auto expected = file.get(name + "/hidden." + std::to_string(i));
    EXPECT_LT(relative_error(output.states_BTD[i], expected), kStates) << name << ", state " << i;
  }
  EXPECT_LT(relative_error(output.last_BTD, file.get(name + "/last_hidden")), kStates) << name << ", last state";
}

}  // namespace usam::test
