// T frames, M mel bands.
#include "data/features/whisper_mel.h"

#include <ATen/ceil_div.h>
#include <algorithm>

#include "data/features/mel_filters.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr int64_t kWhisperTransform = 400, kWhisperHop = 160, kWhisperSeconds = 30, kWhisperFrames = 3000;
constexpr double kWhisperHighest = 8000;

}  // namespace

WhisperMel::WhisperMel(const WhisperMelSpec& spec)
    : spec_(spec),
      mels_(kWhisperTransform, kWhisperHop,
            slaney_mel_filters(spec.sample_rate, kWhisperTransform, spec.mels, kWhisperHighest)) {}

torch::Tensor WhisperMel::operator()(const torch::Tensor& samples) const {
  const at::NoGradGuard no_grad;
  const int64_t whole = kWhisperSeconds * spec_.sample_rate, n = std::min(samples.numel(), whole);
  if (samples.numel() > whole && !spec_.thirty_seconds)
    user_error("Whisper takes at most {} s of audio, the clip has {:.2f} s; set data.max_seconds to {} or less",
               kWhisperSeconds, static_cast<double>(samples.numel()) / static_cast<double>(spec_.sample_rate),
               kWhisperSeconds);
  const int64_t frames = spec_.thirty_seconds ? kWhisperFrames : 2 * at::ceil_div(n, 2 * kWhisperHop);
  // A window past the last sample sees zeros: its frame is the logarithm's floor, and the maximum over 30 s is that
  // over the frames that touch the clip. The reflection at the end of a shorter buffer must lie beyond them.
  const int64_t touched = std::min(kWhisperFrames, (n + kWhisperTransform / 2) / kWhisperHop + 1);
  const int64_t length = std::min(whole, touched * kWhisperHop + kWhisperTransform);
  torch::Tensor log_TM = torch::empty({std::max(frames, touched), spec_.mels}, torch::kFloat32);
  const torch::Tensor contiguous = samples.contiguous(), touched_TM = log_TM.slice(0, 0, touched);
  mels_(floats_of(contiguous).first(static_cast<size_t>(n)), length, floats_of(touched_TM));
  const float floor = touched_TM.max().item<float>() - 8;
  const auto scaled = [floor](float x) { return (std::max(x, floor) + 4) / 4; };
  for (float& x : floats_of(touched_TM)) x = scaled(x);
  log_TM.slice(0, touched).fill_(scaled(-10));
  return log_TM.slice(0, 0, frames);
}

}  // namespace usam::data
