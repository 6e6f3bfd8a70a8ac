#pragma once
// Goldens of the reference models and how closely an encoder must meet them.
#include <torch/torch.h>

#include <string>

#include "src/io/safetensors.h"
#include "src/models/audio_encoder.h"
#include "tests/parity/note.h"
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
  return error_of(got, expected).relative;
}

inline torch::Tensor lengths(std::vector<int64_t> values) {
  return torch::tensor(values, torch::kInt64);
}

// The first `frames` frames of one row.
inline torch::Tensor clip(const torch::Tensor& x_BTD, int64_t row, int64_t frames) {
  return x_BTD[row].narrow(0, 0, frames);
}

// All states and the output of one clip against `CASE/hidden.i` and `CASE/last_hidden`; noted under the folder's name.
inline void expect_states(const EncoderOutput& output, const io::SafetensorsFile& file, const std::string& name) {
  const std::string model = std::filesystem::path(file.path()).parent_path().filename();
  for (size_t i = 0; i < output.states_BTD.size(); ++i) {
    const auto expected = file.get(name + "/hidden." + std::to_string(i));
    EXPECT_LT(noted_error(model, "hidden states", output.states_BTD[i], expected).relative, kStates)
        << name << ", state " << i;
  }
  EXPECT_LT(noted_error(model, "output", output.last_BTD, file.get(name + "/last_hidden")).relative, kStates)
      << name << ", last state";
}

}  // namespace usam::test
