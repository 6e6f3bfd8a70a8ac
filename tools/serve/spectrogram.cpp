// T frames, F bands.
#include "tools/serve/spectrogram.h"

#include <ATen/ceil_div.h>

#include "data/audio/decode.h"
#include "data/audio/resample.h"
#include "data/features/front_end.h"
#include "src/base/base64.h"

namespace usam::serve {

Json spectrogram(const std::string& path, double seconds) {
  constexpr int64_t kMostFrames = 1500;
  const WhisperMelSpec spec;
  const auto audio = data::audio::decode(path, seconds);
  const auto front_end = data::make_front_end(spec);
  auto samples = data::audio::resample(audio.samples, static_cast<double>(audio.sample_rate),
                                       static_cast<double>(spec.sample_rate));
  if (const auto missing = front_end->min_samples() - samples.numel(); missing > 0)
    samples = torch::constant_pad_nd(samples, {0, missing});
  auto mel_TF = (*front_end)(samples);
  if (const auto step = at::ceil_div(mel_TF.size(0), kMostFrames); step > 1)
    mel_TF = torch::max_pool1d(mel_TF.t().unsqueeze(0), step, step, 0, 1, /*ceil_mode=*/true)[0].t();
  const auto low = mel_TF.min(), span = (mel_TF.max() - low).clamp_min(1e-6);
  const auto bytes_TF = ((mel_TF - low) / span * 255).round().to(torch::kUInt8).contiguous();
  const std::string_view bytes(reinterpret_cast<const char*>(bytes_TF.data_ptr<uint8_t>()),
                               static_cast<size_t>(bytes_TF.numel()));
  return {{"frames", bytes_TF.size(0)}, {"bands", bytes_TF.size(1)}, {"data", to_base64(bytes)}};
}

}  // namespace usam::serve
