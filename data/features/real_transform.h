#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "data/features/lanes.h"

namespace usam::data {

// The power spectra of sixteen real signals at a time: a Fourier transform (Stockham's, of mixed radix) of the complex
// signal that a signal's even and odd samples make, and what parts the two. Float throughout; immutable.
class RealTransform {
 public:
  // A number of each of the sixteen.
  struct Complex {
    Float16Lanes re, im;
  };

  // length: a multiple of 4 without prime factors but 2 and 5.
  explicit RealTransform(int64_t length);

  int64_t length() const { return length_; }
  // signals: `length` numbers, overwritten; room: as much; power: length / 2 + 1. For code in widest().
  USAM_INLINE void power(Float16Lanes* signals, Float16Lanes* room, Float16Lanes* power) const;

 private:
  struct Turn {
    float re = 0, im = 0;
  };
  // `blocks` butterflies of `radix`, each on `stride` numbers side by side.
  struct Pass {
    int64_t radix = 0, blocks = 0, stride = 0;
    std::vector<Turn> turns;  // radix - 1 of each block
  };

  static Turn turn(int64_t k, int64_t n);
  template <int radix>
  USAM_INLINE static void run(const Pass& pass, const Complex* from, Complex* to);

  int64_t length_;
  std::vector<Pass> passes_;
  std::vector<Turn> parting_;  // of bins 0 to length / 4
};

namespace wide_detail {

using Complex = RealTransform::Complex;

USAM_INLINE inline void butterfly(Complex (&a)[2]) {
  const Complex b = a[1];
  a[1] = {a[0].re - b.re, a[0].im - b.im};
  a[0] = {a[0].re + b.re, a[0].im + b.im};
}

USAM_INLINE inline void butterfly(Complex (&a)[4]) {
  const Complex even = {a[0].re + a[2].re, a[0].im + a[2].im}, even_less = {a[0].re - a[2].re, a[0].im - a[2].im};
  const Complex odd = {a[1].re + a[3].re, a[1].im + a[3].im}, odd_less = {a[1].re - a[3].re, a[1].im - a[3].im};
  a[0] = {even.re + odd.re, even.im + odd.im};
  a[1] = {even_less.re + odd_less.im, even_less.im - odd_less.re};
  a[2] = {even.re - odd.re, even.im - odd.im};
  a[3] = {even_less.re - odd_less.im, even_less.im + odd_less.re};
}

USAM_INLINE inline void butterfly(Complex (&a)[5]) {
  constexpr float kCos1 = 0.309016994f, kCos2 = -0.809016994f, kSin1 = 0.951056516f, kSin2 = 0.587785252f;
  const Complex outer = {a[1].re + a[4].re, a[1].im + a[4].im}, outer_less = {a[1].re - a[4].re, a[1].im - a[4].im};
  const Complex inner = {a[2].re + a[3].re, a[2].im + a[3].im}, inner_less = {a[2].re - a[3].re, a[2].im - a[3].im};
  const Complex mean1 = {a[0].re + kCos1 * outer.re + kCos2 * inner.re, a[0].im + kCos1 * outer.im + kCos2 * inner.im};
  const Complex mean2 = {a[0].re + kCos2 * outer.re + kCos1 * inner.re, a[0].im + kCos2 * outer.im + kCos1 * inner.im};
  const Complex side1 = {kSin1 * outer_less.re + kSin2 * inner_less.re, kSin1 * outer_less.im + kSin2 * inner_less.im};
  const Complex side2 = {kSin2 * outer_less.re - kSin1 * inner_less.re, kSin2 * outer_less.im - kSin1 * inner_less.im};
  a[0] = {a[0].re + outer.re + inner.re, a[0].im + outer.im + inner.im};
  a[1] = {mean1.re + side1.im, mean1.im - side1.re};
  a[2] = {mean2.re + side2.im, mean2.im - side2.re};
  a[3] = {mean2.re - side2.im, mean2.im + side2.re};
  a[4] = {mean1.re - side1.im, mean1.im + side1.re};
}

}  // namespace wide_detail

template <int radix>
void RealTransform::run(const Pass& pass, const Complex* from, Complex* to) {
  const Turn* turns = pass.turns.data();
  for (int64_t p = 0; p < pass.blocks; ++p, turns += radix - 1) {
    for (int64_t q = 0; q < pass.stride; ++q) {
      Complex a[radix];
      for (int j = 0; j < radix; ++j) a[j] = from[q + pass.stride * (p + pass.blocks * j)];
      wide_detail::butterfly(a);
      Complex* out = to + q + pass.stride * radix * p;
      out[0] = a[0];
      for (int k = 1; k < radix; ++k) {
        const auto [re, im] = turns[k - 1];
        out[k * pass.stride] = {a[k].re * re - a[k].im * im, a[k].re * im + a[k].im * re};
      }
    }
  }
}

inline void RealTransform::power(Float16Lanes* signals, Float16Lanes* room, Float16Lanes* power) const {
  auto *from = reinterpret_cast<Complex*>(signals), *to = reinterpret_cast<Complex*>(room);
  for (const Pass& pass : passes_) {
    if (pass.radix == 4) run<4>(pass, from, to);
    if (pass.radix == 2) run<2>(pass, from, to);
    if (pass.radix == 5) run<5>(pass, from, to);
    std::swap(from, to);
  }
  const int64_t half = length_ / 2;
  for (int64_t k = 0; k <= half / 2; ++k) {
    const Complex &a = from[k], &b = from[k == 0 ? 0 : half - k];
    const Complex even = {a.re + b.re, a.im - b.im}, odd = {a.im + b.im, b.re - a.re};  // twice each
    const auto [re, im] = parting_[static_cast<size_t>(k)];
    const Complex turned = {odd.re * re - odd.im * im, odd.re * im + odd.im * re};
    const Complex sum = {even.re + turned.re, even.im + turned.im};
    const Complex difference = {even.re - turned.re, even.im - turned.im};
    power[k] = 0.25f * (sum.re * sum.re + sum.im * sum.im);
    power[half - k] = 0.25f * (difference.re * difference.re + difference.im * difference.im);
  }
}

}  // namespace usam::data
