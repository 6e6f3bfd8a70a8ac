#include "src/nn/rope.h"

#include <cmath>

namespace usam::nn {
namespace {

// Wavelengths above original / low_freq_factor are divided by `factor`, those below original / high_freq_factor are
// left alone, those between are blended (transformers, modeling_rope_utils.py, _compute_llama3_parameters).
torch::Tensor stretch(const torch::Tensor& frequencies, const Llama3RopeScaling& s) {
  const double original = static_cast<double>(s.original_max_position_embeddings);
  auto wavelength = 2 * M_PI / frequencies;
  auto share = (original / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  auto blended = (1 - share) * frequencies / s.factor + share * frequencies;
  auto stretched = torch::where(wavelength > original / s.low_freq_factor, frequencies / s.factor, frequencies);
  auto between = (wavelength >= original / s.high_freq_factor) & (wavelength <= original / s.low_freq_factor);
  return torch::where(between, blended, stretched);
}

}  // namespace

torch::Tensor rope_frequencies(int64_t head_width, double theta, const RopeScaling& scaling) {
  auto exponents = torch::arange(0, head_width, 2, torch::kFloat) / static_cast<double>(head_width);
  auto frequencies = 1.0 / torch::pow(theta, exponents);
  if (const auto* linear = std::get_if<LinearRopeScaling>(&scaling)) return frequencies / linear->factor;
  if (const auto* llama3 = std::get_if<Llama3RopeScaling>(&scaling)) return stretch(frequencies, *llama3);
  return frequencies;
}

Rotation rotation(const torch::Tensor& frequencies, const torch::Tensor& positions_BT) {
  auto angles = positions_BT.unsqueeze(-1).to(torch::kFloat) * frequencies.to(positions_BT.device());
  auto both_halves = torch::cat({angles, angles}, -1).unsqueeze(1);
  return {both_halves.cos(), both_halves.sin()};
}

torch::Tensor rotate(const torch::Tensor& x_BHTK, const Rotation& by) {
  auto halves = x_BHTK.chunk(2, -1);
  auto turned = torch::cat({-halves[1], halves[0]}, -1);
  const auto type = x_BHTK.scalar_type();
  return x_BHTK * by.cos_B1TK.to(type) + turned * by.sin_B1TK.to(type);
}

}  // namespace usam::nn
