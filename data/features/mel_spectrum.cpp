// M mel bands, T frames.
#include "data/features/mel_spectrum.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr int64_t kLanes = 8;
constexpr float kLeast = 1e-10f;

// One number of each of the frames that are worked on side by side.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
struct LanesPair {
  Lanes re, im;
};

// What is inlined into a function for newer processors uses their instructions.
#define USAM_INLINE [[gnu::always_inline]] inline

USAM_INLINE void gather(Lanes& to, const float* x, int64_t step, float factor) {
  to = factor * Lanes{x[0], x[step], x[2 * step], x[3 * step], x[4 * step], x[5 * step], x[6 * step], x[7 * step]};
}

template <int radix>
struct Butterfly;

template <>
struct Butterfly<2> {
  USAM_INLINE static void apply(std::array<LanesPair, 2>& a) {
    const LanesPair b = a[1];
    a[1] = {a[0].re - b.re, a[0].im - b.im};
    a[0] = {a[0].re + b.re, a[0].im + b.im};
  }
};

template <>
struct Butterfly<4> {
  USAM_INLINE static void apply(std::array<LanesPair, 4>& a) {
    const LanesPair even = {a[0].re + a[2].re, a[0].im + a[2].im}, even_less = {a[0].re - a[2].re, a[0].im - a[2].im};
    const LanesPair odd = {a[1].re + a[3].re, a[1].im + a[3].im}, odd_less = {a[1].re - a[3].re, a[1].im - a[3].im};
    a[0] = {even.re + odd.re, even.im + odd.im};
    a[1] = {even_less.re + odd_less.im, even_less.im - odd_less.re};
    a[2] = {even.re - odd.re, even.im - odd.im};
    a[3] = {even_less.re - odd_less.im, even_less.im + odd_less.re};
  }
};

template <>
struct Butterfly<5> {
  USAM_INLINE static void apply(std::array<LanesPair, 5>& a) {
    constexpr float kCos1 = 0.309016994f, kCos2 = -0.809016994f, kSin1 = 0.951056516f, kSin2 = 0.587785252f;
    const LanesPair outer = {a[1].re + a[4].re, a[1].im + a[4].im}, outer_less = {a[1].re - a[4].re, a[1].im - a[4].im};
    const LanesPair inner = {a[2].re + a[3].re, a[2].im + a[3].im}, inner_less = {a[2].re - a[3].re, a[2].im - a[3].im};
    const LanesPair mean1 = {a[0].re + kCos1 * outer.re + kCos2 * inner.re,
                             a[0].im + kCos1 * outer.im + kCos2 * inner.im};
    const LanesPair mean2 = {a[0].re + kCos2 * outer.re + kCos1 * inner.re,
                             a[0].im + kCos2 * outer.im + kCos1 * inner.im};
    const LanesPair side1 = {kSin1 * outer_less.re + kSin2 * inner_less.re,
                             kSin1 * outer_less.im + kSin2 * inner_less.im};
    const LanesPair side2 = {kSin2 * outer_less.re - kSin1 * inner_less.re,
                             kSin2 * outer_less.im - kSin1 * inner_less.im};
    a[0] = {a[0].re + outer.re + inner.re, a[0].im + outer.im + inner.im};
    a[1] = {mean1.re + side1.im, mean1.im - side1.re};
    a[2] = {mean2.re + side2.im, mean2.im - side2.re};
    a[3] = {mean2.re - side2.im, mean2.im + side2.re};
    a[4] = {mean1.re - side1.im, mean1.im + side1.re};
  }
};

template <int radix>
USAM_INLINE void run_pass(const MelSpectrum::Pass& pass, const LanesPair* from, LanesPair* to) {
  const MelSpectrum::Complex* turn = pass.turns.data();
  for (int64_t p = 0; p < pass.blocks; ++p, turn += radix - 1) {
    for (int64_t q = 0; q < pass.stride; ++q) {
      std::array<LanesPair, radix> a;
      for (int j = 0; j < radix; ++j) a[j] = from[q + pass.stride * (p + pass.blocks * j)];
      Butterfly<radix>::apply(a);
      LanesPair* out = to + q + pass.stride * radix * p;
      out[0] = a[0];
      for (int k = 1; k < radix; ++k) {
        const auto [re, im] = turn[k - 1];
        out[k * pass.stride] = {a[k].re * re - a[k].im * im, a[k].re * im + a[k].im * re};
      }
    }
  }
}

// The power spectrum of a real signal from `z`, the transform of its even samples plus i times its odd ones.
USAM_INLINE void power_of(const std::vector<MelSpectrum::Complex>& turns, const LanesPair* z, Lanes* power) {
  const auto half = static_cast<int64_t>(turns.size() - 1) * 2;
  for (int64_t k = 0; k <= half / 2; ++k) {
    const LanesPair &a = z[k], &b = z[k == 0 ? 0 : half - k];
    const LanesPair even = {0.5f * (a.re + b.re), 0.5f * (a.im - b.im)};
    const LanesPair odd = {0.5f * (a.im + b.im), 0.5f * (b.re - a.re)};
    const auto [re, im] = turns[static_cast<size_t>(k)];
    const LanesPair turned = {odd.re * re - odd.im * im, odd.re * im + odd.im * re};
    const LanesPair sum = {even.re + turned.re, even.im + turned.im};
    const LanesPair difference = {even.re - turned.re, even.im - turned.im};
    power[k] = sum.re * sum.re + sum.im * sum.im;
    power[half - k] = difference.re * difference.re + difference.im * difference.im;
  }
}

// What a call works in: two places for the transform, and the power.
struct Workspace {
  std::vector<LanesPair> a, b;
  std::vector<Lanes> power;
};

// The mel energies of `count` <= kLanes frames, of which the first begins at `samples`. What lies behind the last one's
// samples may be read too, as far as kLanes frames reach.
USAM_INLINE void mels_of(const MelSpectrum::Tables& tables, const float* samples, int64_t count, Workspace& work,
                         float* energies) {
  LanesPair *from = work.a.data(), *to = work.b.data();
  for (int64_t i = 0; i < tables.transform / 2; ++i) {
    const auto at = static_cast<size_t>(2 * i);
    gather(from[i].re, samples + at, tables.hop, tables.window[at]);
    gather(from[i].im, samples + at + 1, tables.hop, tables.window[at + 1]);
  }
  for (const MelSpectrum::Pass& pass : tables.passes) {
    if (pass.radix == 4) run_pass<4>(pass, from, to);
    if (pass.radix == 2) run_pass<2>(pass, from, to);
    if (pass.radix == 5) run_pass<5>(pass, from, to);
    std::swap(from, to);
  }
  power_of(tables.turns, from, work.power.data());
  const auto mels = std::ssize(tables.filters);
  for (int64_t m = 0; m < mels; ++m) {
    const MelSpectrum::Filter& filter = tables.filters[static_cast<size_t>(m)];
    const Lanes* bin = work.power.data() + filter.first_bin;
    Lanes energy{};
    for (const float weight : filter.weights) energy += weight * *bin++;
    for (int64_t lane = 0; lane < count; ++lane) energies[lane * mels + m] = std::max(energy[lane], kLeast);
  }
}

using MelsOf = void (*)(const MelSpectrum::Tables&, const float*, int64_t, Workspace&, float*);

void mels_plainly(const MelSpectrum::Tables& tables, const float* samples, int64_t count, Workspace& work, float* to) {
  mels_of(tables, samples, count, work, to);
}

#ifdef __x86_64__
[[gnu::target("avx2,fma")]] void mels_with_avx2(const MelSpectrum::Tables& tables, const float* samples, int64_t count,
                                                Workspace& work, float* to) {
  mels_of(tables, samples, count, work, to);
}
#endif

MelsOf mels_by(MelSpectrum::Instructions instructions) {
#ifdef __x86_64__
  if (instructions == MelSpectrum::Instructions::kBest && __builtin_cpu_supports("avx2") &&
      __builtin_cpu_supports("fma"))
    return mels_with_avx2;
#endif
  return mels_plainly;
}

// exp(-2 pi i k / n)
MelSpectrum::Complex turn(int64_t k, int64_t n) {
  const double angle = -2 * M_PI * static_cast<double>(k) / static_cast<double>(n);
  return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
}

std::vector<MelSpectrum::Pass> passes_of(int64_t length) {
  std::vector<MelSpectrum::Pass> passes;
  for (int64_t left = length, stride = 1; left > 1;) {
    MelSpectrum::Pass& pass = passes.emplace_back();
    pass.radix = left % 4 == 0 ? 4 : left % 2 == 0 ? 2 : 5;
    if (left % pass.radix != 0) internal_error("a transform of {} has prime factors other than 2 and 5", 2 * length);
    pass.blocks = left / pass.radix;
    pass.stride = stride;
    for (int64_t p = 0; p < pass.blocks; ++p)
      for (int64_t k = 1; k < pass.radix; ++k) pass.turns.push_back(turn(p * k, left));
    left /= pass.radix;
    stride *= pass.radix;
  }
  return passes;
}

std::vector<MelSpectrum::Filter> sparse(const torch::Tensor& filters_FM) {
  std::vector<MelSpectrum::Filter> filters;
  const auto weights_FM = filters_FM.accessor<float, 2>();
  for (int64_t m = 0; m < filters_FM.size(1); ++m) {
    int64_t first = 0, end = filters_FM.size(0);
    while (first < end && weights_FM[first][m] == 0) ++first;
    while (end > first && weights_FM[end - 1][m] == 0) --end;
    MelSpectrum::Filter& filter = filters.emplace_back(MelSpectrum::Filter{first, {}});
    for (int64_t f = first; f < end; ++f) filter.weights.push_back(weights_FM[f][m]);
  }
  return filters;
}

// `samples` with `margin` more at each end, reflected about the first and the last, and `rest` zeros.
std::vector<float> reflected(std::span<const float> samples, int64_t margin, int64_t rest) {
  std::vector<float> padded;
  padded.reserve(static_cast<size_t>(std::ssize(samples) + 2 * margin + rest));
  padded.insert(padded.end(), samples.rend() - margin - 1, samples.rend() - 1);
  padded.insert(padded.end(), samples.begin(), samples.end());
  padded.insert(padded.end(), samples.rbegin() + 1, samples.rbegin() + 1 + margin);
  padded.resize(padded.size() + static_cast<size_t>(rest));
  return padded;
}

}  // namespace

MelSpectrum::MelSpectrum(int64_t transform, int64_t hop, const torch::Tensor& filters_FM, Instructions instructions)
    : instructions_(instructions) {
  if (transform % 4 != 0) internal_error("a transform of {} is no multiple of 4", transform);
  tables_.transform = transform;
  tables_.hop = hop;
  const torch::Tensor window = torch::hann_window(transform);
  tables_.window.assign(floats_of(window).begin(), floats_of(window).end());
  tables_.passes = passes_of(transform / 2);
  for (int64_t k = 0; k <= transform / 4; ++k) tables_.turns.push_back(turn(k, transform));
  tables_.filters = sparse(filters_FM);
}

torch::Tensor MelSpectrum::operator()(std::span<const float> samples, int64_t frames) const {
  const MelsOf mels_of_frames = mels_by(instructions_);
  const int64_t transform = tables_.transform, hop = tables_.hop;
  const std::vector<float> padded = reflected(samples, transform / 2, kLanes * hop);
  torch::Tensor energies_TM = torch::empty({frames, std::ssize(tables_.filters)}, torch::kFloat32);
  const auto half = static_cast<size_t>(transform / 2);
  Workspace work{std::vector<LanesPair>(half), std::vector<LanesPair>(half), std::vector<Lanes>(half + 1)};
  for (int64_t t = 0; t < frames; t += kLanes)
    mels_of_frames(tables_, padded.data() + t * hop, std::min(kLanes, frames - t), work,
                   energies_TM.data_ptr<float>() + t * energies_TM.size(1));
  return energies_TM;
}

}  // namespace usam::data
