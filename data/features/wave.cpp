#include "data/features/wave.h"

#include <array>
#include <cmath>
#include <span>

namespace usam::data {
namespace {

// The sum of what `of` makes of each sample: eight sums side by side, which the compiler does at once.
template <class Of>
double sum(std::span<const float> samples, Of of) {
  std::array<double, 8> sums{};
  const size_t whole = samples.size() / sums.size() * sums.size();
  for (size_t i = 0; i < whole; i += sums.size())
    for (size_t j = 0; j < sums.size(); ++j) sums[j] += of(samples[i + j]);
  for (size_t i = whole; i < samples.size(); ++i) sums[0] += of(samples[i]);
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

}  // namespace

torch::Tensor Wave::operator()(const torch::Tensor& samples) const {
  const at::NoGradGuard no_grad;
  const torch::Tensor contiguous = samples.contiguous();
  if (!spec_.normalize) return contiguous;
  const std::span<const float> x(contiguous.data_ptr<float>(), static_cast<size_t>(contiguous.numel()));
  const auto n = static_cast<double>(x.size());
  const double mean = sum(x, [](float v) { return double{v}; }) / n;
  const double variance = sum(x, [mean](float v) { return (v - mean) * (v - mean); }) / n;
  const double scale = 1 / std::sqrt(variance + 1e-7);
  torch::Tensor normalized = torch::empty_like(contiguous);
  float* y = normalized.data_ptr<float>();
  for (const float v : x) *y++ = static_cast<float>((v - mean) * scale);
  return normalized;
}

}  // namespace usam::data
