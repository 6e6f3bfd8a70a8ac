#pragma once
// Hand-written loops for the vectors of the processor at hand.
#include <cstdint>

namespace usam {

inline constexpr int64_t kLanes = 16;
// So many numbers that are worked on together; anywhere in memory.
// (typedef: `using` drops the alignment.)
typedef float Float16Lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef int Int16Lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef unsigned short Short16Lanes __attribute__((vector_size(32), aligned(2), may_alias));
typedef signed char Byte16Lanes __attribute__((vector_size(16), aligned(1), may_alias));

// For lambdas given to widest(), and functions that these call: they must become part of what is compiled for it.
#define USAM_INLINE __attribute__((always_inline))

namespace wide {

#if defined(__x86_64__)
template <class Body>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))) void run_512(const Body& body) {
  body();
}
template <class Body>
__attribute__((target("avx2,fma"))) void run_256(const Body& body) {
  body();
}
#endif

}  // namespace wide

// Whether the processor's vectors hold 8 fp32 numbers.
inline bool has_256_bits() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has;
#else
  return false;
#endif
}

// Whether they hold 16, in 32 registers.
inline bool has_512_bits() {
#if defined(__x86_64__)
  static const bool has = has_256_bits() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has;
#else
  return false;
#endif
}

// Calls body(), a lambda marked USAM_INLINE, as compiled for the widest vectors that this processor has.
template <class Body>
void widest(const Body& body) {
#if defined(__x86_64__)
  if (has_512_bits()) return wide::run_512(body);
  if (has_256_bits()) return wide::run_256(body);
#endif
  body();
}

}  // namespace usam
