// T frames, F frequency bins, M mel bands.
#include "data/features/whisper_mel.h"

#include <algorithm>

#include "data/features/mel_filters.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr int64_t kTransform = 400, kHop = 160, kSeconds = 30, kFrames = 3000;
constexpr double kHighest = 8000;

}  // namespace

WhisperMel::WhisperMel(const WhisperMelSpec& spec)
    : spec_(spec),
      window_(torch::hann_window(kTransform)),
      filters_MF_(slaney_mel_filters(spec.sample_rate, kTransform, spec.mels, kHighest).t().contiguous()) {}

torch::Tensor WhisperMel::operator()(const torch::Tensor& samples) const {
  const at::NoGradGuard no_grad;
  const int64_t whole = kSeconds * spec_.sample_rate, n = std::min(samples.numel(), whole);
  if (samples.numel() > whole && !spec_.thirty_seconds)
    user_error("Whisper takes at most {} s of audio, the clip has {:.2f} s; set data.max_seconds to {} or less",
               kSeconds, static_cast<double>(samples.numel()) / static_cast<double>(spec_.sample_rate), kSeconds);
  const int64_t frames = spec_.thirty_seconds ? kFrames : (n + 2 * kHop - 1) / (2 * kHop) * 2;
  // A window past the last sample sees zeros and adds only the logarithm's floor, so the maximum over 30 s is that over
  // the frames that touch the clip: the reflection at the end of a shorter buffer must lie beyond them.
  const int64_t touched = std::min(kFrames, (n + kTransform / 2) / kHop + 1);
  const int64_t computed = std::max(frames, touched);
  const int64_t buffer = std::min(whole, computed * kHop + kTransform);
  torch::Tensor padded = torch::zeros({buffer}, torch::kFloat32);
  padded.slice(0, 0, n).copy_(samples.slice(0, 0, n));

  const torch::Tensor spectrum_FT =
      torch::stft(padded, kTransform, kHop, kTransform, window_, /*center=*/true, "reflect",
                  /*normalized=*/false, /*onesided=*/true, /*return_complex=*/true);
  const torch::Tensor power_FT = spectrum_FT.slice(1, 0, computed).abs().pow(2).contiguous();
  const torch::Tensor log_MT = filters_MF_.matmul(power_FT).clamp_min(1e-10).log10();
  const torch::Tensor floored_MT = torch::maximum(log_MT, log_MT.max() - 8.0);
  return ((floored_MT.slice(1, 0, frames) + 4.0) / 4.0).t().contiguous();
}

}  // namespace usam::data
