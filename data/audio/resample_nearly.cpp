// B blocks, N samples of a block, F frequency bins, real and imaginary parts apart.
#include <ATen/ceil_div.h>
#include <algorithm>
#include <cmath>
#include <compare>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>

#include "data/audio/resample.h"

namespace usam::data::audio {
namespace {

constexpr int64_t kTransformed = 6144;  // samples that a block becomes, many of its factors small
constexpr int64_t kBatch = 24;          // blocks that are transformed at a time: MKL makes its tables anew each time
constexpr int64_t kReach = 120;         // samples to either side that the filter sees; a multiple of each small `down`

// up / down, in lowest terms.
struct Ratio {
  int64_t up = 1, down = 1;
  auto operator<=>(const Ratio&) const = default;

  int64_t of(int64_t samples) const { return samples * up / down; }
  int64_t block() const { return kTransformed / up * down; }  // samples that make a block
};

std::optional<Ratio> small_ratio(double from, double to) {
  if (from < 1 || to <= from || to > 1e6 || from != std::floor(from) || to != std::floor(to)) return std::nullopt;
  const int64_t common = std::gcd(std::llround(from), std::llround(to));
  const Ratio ratio{std::llround(to) / common, std::llround(from) / common};
  return ratio.up <= 4 ? std::optional(ratio) : std::nullopt;  // beyond, soxr's filter is not a single one
}

// The spectrum of soxr's filter at the bins of a block, each for the real and the imaginary part: (2 F). The filter is
// symmetric, so that its spectrum is real; it is what an impulse becomes.
torch::Tensor make_spectrum(const Ratio& ratio) {
  const int64_t at = 4 * kReach, reach = ratio.of(kReach);
  torch::Tensor impulse = torch::zeros({2 * at});
  impulse[at] = 1;
  const torch::Tensor filter =
      resample(impulse, static_cast<double>(ratio.down), static_cast<double>(ratio.up)).to(torch::kFloat64);
  const int64_t peak = ratio.of(at);
  torch::Tensor around_zero = torch::zeros({kTransformed}, torch::kFloat64);
  around_zero.slice(0, 0, reach + 1).copy_(filter.slice(0, peak, peak + reach + 1));
  around_zero.slice(0, kTransformed - reach).copy_(filter.slice(0, peak - reach, peak));
  const torch::Tensor spectrum_F = torch::real(torch::fft_rfft(around_zero)).slice(0, 0, ratio.block() / 2 + 1);
  return spectrum_F.to(torch::kFloat32).repeat_interleave(2);
}

torch::Tensor spectrum_of_filter(const Ratio& ratio) {
  static std::mutex mutex;
  static std::map<Ratio, torch::Tensor> made;
  const std::lock_guard lock(mutex);
  torch::Tensor& spectrum = made[ratio];
  if (!spectrum.defined()) spectrum = make_spectrum(ratio);
  return spectrum;
}

// `count` blocks from sample `begin` on, each reaching kReach samples further to both sides; zeros beyond the ends.
torch::Tensor blocks_of(const torch::Tensor& samples, int64_t begin, int64_t count, const Ratio& ratio) {
  const int64_t size = ratio.block(), n = samples.numel();
  torch::Tensor blocks_BN = torch::empty({count, size}, torch::kFloat32);
  const auto* from = samples.const_data_ptr<float>();
  float* to = blocks_BN.data_ptr<float>();
  for (int64_t b = 0; b < count; ++b, to += size, begin += size - 2 * kReach) {
    const int64_t first = begin - kReach;
    const int64_t low = std::clamp<int64_t>(-first, 0, size), high = std::clamp<int64_t>(n - first, low, size);
    std::fill(to, to + low, 0.f);
    std::copy(from + first + low, from + first + high, to + low);
    std::fill(to + high, to + size, 0.f);
  }
  return blocks_BN;
}

}  // namespace

torch::Tensor resample_nearly(const torch::Tensor& samples, double from, double to) {
  const at::NoGradGuard no_grad;
  const auto ratio = small_ratio(from, to);
  if (!ratio) return resample(samples, from, to);
  const torch::Tensor input = samples.contiguous(), spectrum = spectrum_of_filter(*ratio);
  const int64_t n = input.numel(), total = (2 * n * ratio->up + ratio->down) / (2 * ratio->down);  // rounded
  const int64_t step = ratio->block() - 2 * kReach, blocks = at::ceil_div(n, step);
  const int64_t margin = ratio->of(kReach), made = ratio->of(step);
  torch::Tensor output = torch::empty({total}, torch::kFloat32);
  float* out = output.data_ptr<float>();
  for (int64_t begin = 0; begin < blocks; begin += kBatch) {
    const int64_t count = std::min(kBatch, blocks - begin);
    const torch::Tensor spectra_BF = torch::fft_rfft(blocks_of(input, begin * step, count, *ratio));
    torch::view_as_real(spectra_BF).flatten(1).mul_(spectrum);
    const torch::Tensor waves_BN = torch::fft_irfft(spectra_BF, kTransformed).contiguous();
    for (int64_t b = 0; b < count; ++b) {
      const float* wave = waves_BN.const_data_ptr<float>() + b * kTransformed + margin;
      const int64_t at = (begin + b) * made;
      std::copy(wave, wave + std::min(made, total - at), out + at);
    }
  }
  return output;
}

}  // namespace usam::data::audio
