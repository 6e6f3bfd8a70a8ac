// B batch, n samples, T steps, C channels, K kernel.
#include "src/models/mert/first_layer.h"

#include <algorithm>
#include <cmath>

#include "src/models/mert/conv.h"
#include "src/nn/cpu_kernel.h"
#include "src/nn/gelu.h"
#include "src/tensor/autocast.h"
#include "src/tensor/parallel.h"

namespace usam {
namespace {

constexpr int64_t kChunk = 256;  // steps whose sum fp32 holds well; sums of chunks are double

struct Clip {
  const float* wave;
  float* y;  // `steps` rows of `channels`
  int64_t steps, channels, kernel, stride;
};

// What a block of channels has: its kernel, step by step, and the norm's gains and shifts.
struct Channels {
  const float* weight_KC;
  const float *gain, *shift;
  double epsilon;
};

// Adds what `of(step, vector)` gives for each step.
template <int kVectors, class Of>
USAM_INLINE inline void sum_over_steps(int64_t steps, double (&sums)[kVectors * kLanes], const Of& of) {
  for (int64_t from = 0; from < steps; from += kChunk) {
    Float16Lanes part[kVectors] = {};
    const int64_t to = std::min(from + kChunk, steps);
    for (int64_t t = from; t < to; ++t)
      for (int v = 0; v < kVectors; ++v) of(t, v, part[v]);
    for (int v = 0; v < kVectors; ++v)
      for (int64_t j = 0; j < kLanes; ++j) sums[v * kLanes + j] += part[v][j];
  }
}

template <int kVectors>
USAM_INLINE inline void run_channels(const Clip& clip, const Channels& of) {
  constexpr int64_t kWide = kVectors * kLanes;
  const auto at = [&](int64_t t, int v) USAM_INLINE -> Float16Lanes& {
    return *reinterpret_cast<Float16Lanes*>(clip.y + t * clip.channels + v * kLanes);
  };
  double sums[kWide] = {}, squares[kWide] = {};
  sum_over_steps<kVectors>(clip.steps, sums, [&](int64_t t, int v, Float16Lanes& part) USAM_INLINE {
    Float16Lanes y{};
    const float* x = clip.wave + t * clip.stride;
    for (int64_t k = 0; k < clip.kernel; ++k)
      y += *reinterpret_cast<const Float16Lanes*>(of.weight_KC + k * clip.channels + v * kLanes) * x[k];
    at(t, v) = y;
    part += y;
  });
  float mean[kWide], gain[kWide];
  const auto steps = static_cast<double>(clip.steps);
  for (int64_t j = 0; j < kWide; ++j) mean[j] = static_cast<float>(sums[j] / steps);
  sum_over_steps<kVectors>(clip.steps, squares, [&](int64_t t, int v, Float16Lanes& part) USAM_INLINE {
    const Float16Lanes apart = at(t, v) - *reinterpret_cast<const Float16Lanes*>(mean + v * kLanes);
    part += apart * apart;
  });
  for (int64_t j = 0; j < kWide; ++j)
    gain[j] = of.gain[j] / static_cast<float>(std::sqrt(squares[j] / steps + of.epsilon));
  for (int64_t t = 0; t < clip.steps; ++t) {
    float* y = clip.y + t * clip.channels;
    for (int64_t j = 0; j < kWide; ++j) y[j] = nn::fast_gelu((y[j] - mean[j]) * gain[j] + of.shift[j]);
  }
}

}  // namespace

bool can_fuse(const FirstLayer& layer, const torch::Tensor& wave_Bn) {
  return nn::is_plain_fp32(wave_Bn) && nn::is_plain_fp32(layer.weight_C1K) && nn::is_plain_fp32(layer.gain_C) &&
         nn::is_plain_fp32(layer.shift_C) && layer.weight_C1K.size(1) == 1 && layer.weight_C1K.size(0) % kLanes == 0 &&
         !nn::makes_graph(wave_Bn, layer.weight_C1K, layer.gain_C, layer.shift_C) && !autocast_type(torch::kCPU);
}

torch::Tensor first_layer(const FirstLayer& layer, const torch::Tensor& wave_Bn, const std::vector<int64_t>& lengths) {
  const int64_t batch = wave_Bn.size(0), samples = wave_Bn.size(1);
  const int64_t channels = layer.weight_C1K.size(0), kernel = layer.weight_C1K.size(2);
  const int64_t steps = conv_length(samples, kernel, layer.stride);
  const auto weight_KC = layer.weight_C1K.detach().squeeze(1).t().contiguous();
  const auto y_BTC = torch::empty({batch, steps, channels}, wave_Bn.options());
  const float *wave = wave_Bn.const_data_ptr<float>(), *weights = weight_KC.const_data_ptr<float>(),
              *gains = layer.gain_C.const_data_ptr<float>(), *shifts = layer.shift_C.const_data_ptr<float>();
  float* y = y_BTC.data_ptr<float>();
  const int64_t wide = channels % (4 * kLanes) == 0 ? 4 * kLanes : kLanes, blocks = channels / wide;
  parallel_for(0, batch * blocks, 1, [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t b = i / blocks, from = i % blocks * wide;
        const int64_t length = std::clamp<int64_t>(lengths[static_cast<size_t>(b)], 1, steps);
        float* clips = y + b * steps * channels + from;
        const Clip clip{wave + b * samples, clips, length, channels, kernel, layer.stride};
        if (wide == kLanes)
          run_channels<1>(clip, {weights + from, gains + from, shifts + from, layer.epsilon});
        else
          run_channels<4>(clip, {weights + from, gains + from, shifts + from, layer.epsilon});
        for (int64_t t = length; t < steps; ++t) std::fill_n(clips + t * channels, wide, 0.0f);
      }
    });
  });
  return y_BTC;
}

}  // namespace usam
