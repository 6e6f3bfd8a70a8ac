#include "data/audio/resample.h"

#include <soxr.h>

#include <cmath>
#include <memory>
#include <new>

#include "src/base/error.h"

namespace usam::data::audio {
namespace {

struct Delete {
  void operator()(soxr_t resampler) const { soxr_delete(resampler); }
};

void check(soxr_error_t error) {
  if (error) internal_error("soxr: {}", error);
}

}  // namespace

torch::Tensor resample(const torch::Tensor& samples, double from, double to) {
  if (from == to) return samples;
  const torch::Tensor input = samples.contiguous();
  const auto count = static_cast<size_t>(input.numel());
  const auto capacity = static_cast<size_t>(std::ceil(static_cast<double>(count) * to / from)) + 16;
  torch::Tensor output = torch::empty({static_cast<int64_t>(capacity)}, torch::kFloat32);

  soxr_error_t error = nullptr;
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const std::unique_ptr<soxr, Delete> resampler(soxr_create(from, to, 1, &error, nullptr, &quality, nullptr));
  check(error);
  float* out = output.data_ptr<float>();
  size_t done = 0, flushed = 0;
  if (count > 0) check(soxr_process(resampler.get(), input.data_ptr<float>(), count, nullptr, out, capacity, &done));
  check(soxr_process(resampler.get(), nullptr, 0, nullptr, out + done, capacity - done, &flushed));
  return output.slice(0, 0, static_cast<int64_t>(done + flushed)).clone();
}

}  // namespace usam::data::audio
