// T frames, M mel bands.
#include "data/features/ced_mel.h"

#include <algorithm>

#include "data/features/mel_filters.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr int64_t kCedTransform = 512, kCedHop = 160, kCedMels = 64;
constexpr double kCedHighest = 8000;
constexpr float kCedRangeDb = 120;

}  // namespace

CedMel::CedMel(const CedMelSpec& spec)
    : mels_(kCedTransform, kCedHop, htk_mel_filters(spec.sample_rate, kCedTransform, kCedMels, kCedHighest)) {}

torch::Tensor CedMel::operator()(const torch::Tensor& samples) const {
  const at::NoGradGuard no_grad;
  if (samples.numel() < min_samples())
    internal_error("CED's front end got {} samples, it needs {}", samples.numel(), min_samples());
  const torch::Tensor contiguous = samples.contiguous();
  torch::Tensor db_TM = torch::empty({samples.numel() / kCedHop + 1, kCedMels}, torch::kFloat32);
  mels_(floats_of(contiguous), samples.numel(), floats_of(db_TM));
  const float floor = 10 * db_TM.max().item<float>() - kCedRangeDb;
  for (float& x : floats_of(db_TM)) x = std::max(10 * x, floor);
  return db_TM;
}

}  // namespace usam::data
