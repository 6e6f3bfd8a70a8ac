// T frames, F frequency bins, M mel bands.
#include "data/features/ced_mel.h"

#include "data/features/mel_filters.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr int64_t kTransform = 512, kHop = 160, kMels = 64;
constexpr double kHighest = 8000, kRangeDb = 120;

}  // namespace

CedMel::CedMel(const CedMelSpec& spec)
    : window_(torch::hann_window(kTransform)),
      filters_FM_(htk_mel_filters(spec.sample_rate, kTransform, kMels, kHighest)) {}

torch::Tensor CedMel::operator()(const torch::Tensor& samples) const {
  const at::NoGradGuard no_grad;
  if (samples.numel() < min_samples())
    internal_error("CED's front end got {} samples, it needs {}", samples.numel(), min_samples());
  const torch::Tensor spectrum_FT =
      torch::stft(samples, kTransform, kHop, kTransform, window_, /*center=*/true, "reflect",
                  /*normalized=*/false, /*onesided=*/true, /*return_complex=*/true);
  const torch::Tensor power_TF = spectrum_FT.abs().pow(2).t();
  const torch::Tensor db_TM = 10 * power_TF.matmul(filters_FM_).clamp_min(1e-10).log10();
  return torch::maximum(db_TM, db_TM.max() - kRangeDb).contiguous();
}

}  // namespace usam::data
