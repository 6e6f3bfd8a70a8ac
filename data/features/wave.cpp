#include "data/features/wave.h"

#include <cmath>
#include <span>

#include "src/tensor/widest.h"

namespace usam::data {
namespace {

// The sum of what `of` makes of each sample: sums side by side.
template <class Of>
USAM_INLINE inline double sum(std::span<const float> samples, const Of& of) {
  constexpr size_t kSums = 32;
  double sums[kSums] = {}, total = 0;
  const size_t whole = samples.size() / kSums * kSums;
  for (size_t i = 0; i < whole; i += kSums)
    for (size_t j = 0; j < kSums; ++j) sums[j] += of(samples[i + j]);
  for (size_t i = whole; i < samples.size(); ++i) sums[0] += of(samples[i]);
  for (const double s : sums) total += s;
  return total;
}

// Zero mean and unit variance.
USAM_INLINE inline void normalise(std::span<const float> x, float* y) {
  const auto n = static_cast<double>(x.size());
  const double mean = sum(x, [](float v) USAM_INLINE { return double{v}; }) / n;
  const double variance = sum(x, [mean](float v) USAM_INLINE { return (v - mean) * (v - mean); }) / n;
  const double scale = 1 / std::sqrt(variance + 1e-7);
  for (size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>((x[i] - mean) * scale);
}

}  // namespace

torch::Tensor Wave::operator()(const torch::Tensor& samples) const {
  const at::NoGradGuard no_grad;
  const torch::Tensor contiguous = samples.contiguous();
  if (!spec_.normalize) return contiguous;
  const std::span<const float> x(contiguous.data_ptr<float>(), static_cast<size_t>(contiguous.numel()));
  torch::Tensor normalized = torch::empty_like(contiguous);
  float* y = normalized.data_ptr<float>();
  widest([&]() USAM_INLINE { normalise(x, y); });
  return normalized;
}

}  // namespace usam::data
