#pragma once
// Sixteen frames worked on side by side, a lane of a vector each. All of this is for code in widest().
#include <cstdint>
#include <utility>

#include "src/tensor/widest.h"

namespace usam::data {

namespace wide_detail {

// Exchanges the lanes of `a` whose number has the bit `kBit` with those of `b` that lack it.
template <int kBit, int... lane>
USAM_INLINE inline void exchange(Float16Lanes& a, Float16Lanes& b, std::integer_sequence<int, lane...>) {
  const Float16Lanes first = a;
  a = __builtin_shufflevector(first, b, ((lane & kBit) != 0 ? 16 + lane - kBit : lane)...);
  b = __builtin_shufflevector(first, b, ((lane & kBit) != 0 ? 16 + lane : lane + kBit)...);
}

template <int kBit, int... pair>
USAM_INLINE inline void exchange_all(Float16Lanes (&rows)[16], std::integer_sequence<int, pair...>) {
  (exchange<kBit>(rows[pair / kBit * 2 * kBit + pair % kBit], rows[pair / kBit * 2 * kBit + pair % kBit + kBit],
                  std::make_integer_sequence<int, 16>()),
   ...);
}

}  // namespace wide_detail

// Rows become columns.
USAM_INLINE inline void transpose(Float16Lanes (&rows)[16]) {
  constexpr auto kPairs = std::make_integer_sequence<int, 8>();
  wide_detail::exchange_all<8>(rows, kPairs);
  wide_detail::exchange_all<4>(rows, kPairs);
  wide_detail::exchange_all<2>(rows, kPairs);
  wide_detail::exchange_all<1>(rows, kPairs);
}

// The decimal logarithm of positive normal numbers in place, within 2 units in the last place (or 1e-7 near 1): the
// exponent, and of what remains, in [sqrt(1/2), sqrt(2)), the series of 2 artanh((m - 1) / (m + 1)).
USAM_INLINE inline void log10_of(Float16Lanes& x) {
  constexpr int kRootOfHalf = 0x3f3504f3;  // its bits
  constexpr float kLog10Of2 = 0.30102999566f, kTwiceLog10OfE = 0.86858896381f;
  const auto bits = reinterpret_cast<const Int16Lanes&>(x);
  const Int16Lanes exponent = (bits - kRootOfHalf) >> 23;
  const Int16Lanes rest = bits - (exponent << 23);
  const auto m = reinterpret_cast<const Float16Lanes&>(rest);
  const Float16Lanes s = (m - 1.0f) / (m + 1.0f), ss = s * s;
  const Float16Lanes series = 1.0f + ss * (1.0f / 3 + ss * (1.0f / 5 + ss * (1.0f / 7 + ss * (1.0f / 9))));
  x = __builtin_convertvector(exponent, Float16Lanes) * kLog10Of2 + s * (kTwiceLog10OfE * series);
}

}  // namespace usam::data
