#include "data/audio/resample.h"

#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>

#include "src/base/error.h"

namespace usam::data::audio {
namespace {

// soxr gives the same for blocks of any size, but moves all that it holds at every step of its own.
constexpr size_t kSoxrBlock = 8192;

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
  size_t done = 0, got = 0;
  for (size_t taken = 0, used = 0; taken < count; taken += used, done += got) {
    const size_t block = std::min(kSoxrBlock, count - taken);
    check(soxr_process(resampler.get(), input.data_ptr<float>() + taken, block, &used, out + done, capacity - done,
                       &got));
    if (used == 0) internal_error("soxr took none of {} samples", block);
  }
  check(soxr_process(resampler.get(), nullptr, 0, nullptr, out + done, capacity - done, &got));
  return output.slice(0, 0, static_cast<int64_t>(done + got));
}

}  // namespace usam::data::audio
