// B rows, H heads, T queries, S keys, K head width. The processor multiplies pairs of neighbouring numbers and adds
// both products to one fp32 number.
#include "src/nn/bf16_attention.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmath>
#include <limits>

#include "src/base/error.h"
#include "src/nn/attention_heads.h"
#include "src/nn/fast_exp.h"
#include "src/tensor/dtype.h"

namespace usam::nn {
namespace {

#if defined(__x86_64__)

#define USAM_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")))
#define USAM_BF16_INLINE USAM_BF16 __attribute__((always_inline)) inline

constexpr int64_t kRows = 6;           // queries that are worked on together: their sums fill the registers
constexpr int64_t kVectorsOfKeys = 4;  // of 16 keys each

using Pair = uint32_t;  // of bfloat16 numbers, the first one below

// Of a thread: what a head's numbers become.
struct Workspace {
  Workspace(int64_t most_keys, int64_t width)
      : pairs(at::ceil_div<int64_t>(width, 2)),
        vectors(at::ceil_div<int64_t>(width, kLanes)),
        padded_keys(at::round_up<int64_t>(most_keys, kLanes * kVectorsOfKeys)),
        keys(padded_keys * pairs),
        values(padded_keys / 2 * vectors * kLanes),
        queries(kRows * pairs),
        weights(kRows * padded_keys / 2),
        scores(kRows * padded_keys) {}

  int64_t pairs, vectors, padded_keys;
  VectorArray<Pair> keys;     // (padded_keys / 16, pairs, 16): pairs of channels
  VectorArray<Pair> values;   // (padded_keys / 2, 16 vectors): pairs of keys
  VectorArray<Pair> queries;  // (rows, pairs): pairs of channels
  VectorArray<Pair> weights;  // (rows, padded_keys / 2): pairs of keys
  VectorArray<float> scores;  // (rows, padded_keys)
};

USAM_BF16_INLINE __m512bh as_pairs(__m512i x) {
  return reinterpret_cast<__m512bh>(x);
}

// The channels of one position, two in a pair; a channel beyond the width is 0.
USAM_BF16_INLINE void round_row(const float* from, int64_t width, Pair* to) {
  for (int64_t i = 0; i < width; i += 2 * kLanes) {
    const int64_t left = width - i;
    const auto mask_of = [](int64_t count) USAM_BF16 {
      return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1 << std::max<int64_t>(count, 0)) - 1);
    };
    const __m512 low = _mm512_maskz_loadu_ps(mask_of(left), from + i);
    const __m512 high = _mm512_maskz_loadu_ps(mask_of(left - kLanes), from + i + kLanes);
    const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    _mm512_mask_storeu_epi32(to + i / 2, mask_of(at::ceil_div<int64_t>(left, 2)), both);
  }
}

USAM_BF16_INLINE void take_keys(const Head& head, Workspace& work) {
  Pair row[kMostHeadWidth / 2];
  for (int64_t s = 0; s < head.keys_count; ++s) {
    round_row(head.keys + s * head.key_stride, head.width, row);
    Pair* to = work.keys.get() + s / kLanes * work.pairs * kLanes + s % kLanes;
    for (int64_t p = 0; p < work.pairs; ++p) to[p * kLanes] = row[p];
  }
}

USAM_BF16_INLINE __m512i widened(const float* from, int64_t count) {
  const auto mask = static_cast<__mmask16>(count >= kLanes ? 0xffff : (1 << count) - 1);
  return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from))));
}

USAM_BF16_INLINE void take_values(const Head& head, Workspace& work) {
  for (int64_t s = 0; s < head.keys_count; s += 2) {
    const float* first = head.values + s * head.value_stride;
    Pair* to = work.values.get() + s / 2 * work.vectors * kLanes;
    for (int64_t v = 0; v < work.vectors; ++v) {
      const int64_t at = v * kLanes, count = head.width - at;
      __m512i pairs = widened(first + at, count);
      if (s + 1 < head.keys_count)
        pairs = _mm512_or_si512(pairs, _mm512_slli_epi32(widened(first + head.value_stride + at, count), 16));
      _mm512_storeu_si512(to + at, pairs);
    }
  }
}

// Scores of kRows queries with all keys, not scaled yet.
USAM_BF16_INLINE void score_rows(const Workspace& work, int64_t keys) {
  for (int64_t s = 0; s < keys; s += kVectorsOfKeys * kLanes) {
    __m512 sums[kRows][kVectorsOfKeys] = {};
    const Pair* key = work.keys.get() + s * work.pairs;
    for (int64_t p = 0; p < work.pairs; ++p) {
      __m512bh of_keys[kVectorsOfKeys];
      for (int64_t v = 0; v < kVectorsOfKeys; ++v)
        of_keys[v] = as_pairs(_mm512_load_si512(key + (v * work.pairs + p) * kLanes));
      for (int64_t r = 0; r < kRows; ++r) {
        const auto query = as_pairs(_mm512_set1_epi32(static_cast<int>(work.queries[r * work.pairs + p])));
        for (int64_t v = 0; v < kVectorsOfKeys; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], query, of_keys[v]);
      }
    }
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t v = 0; v < kVectorsOfKeys; ++v)
        _mm512_store_ps(work.scores.get() + r * work.padded_keys + s + v * kLanes, sums[r][v]);
  }
}

// Scores become e^(scale (score - largest)), rounded; returns 1 / their sum.
USAM_BF16_INLINE float soften(const float* scores, int64_t keys, float scale, Pair* weights) {
  __m512 largest_of = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
  const auto mask_of = [keys](int64_t at) USAM_BF16 {
    return static_cast<__mmask16>(keys - at >= kLanes ? 0xffff : (1 << std::max<int64_t>(keys - at, 0)) - 1);
  };
  for (int64_t s = 0; s < keys; s += kLanes)
    largest_of = _mm512_mask_max_ps(largest_of, mask_of(s), largest_of, _mm512_load_ps(scores + s));
  const float largest = _mm512_reduce_max_ps(largest_of);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t s = 0; s < keys; s += 2 * kLanes) {
    alignas(64) float powers[2 * kLanes];
    for (int64_t i = 0; i < 2 * kLanes; ++i) powers[i] = fast_exp(scale * (scores[s + i] - largest));
    const __m512 low = _mm512_maskz_load_ps(mask_of(s), powers);
    const __m512 high = _mm512_maskz_load_ps(mask_of(s + kLanes), powers + kLanes);
    sum = _mm512_add_ps(sum, _mm512_add_ps(low, high));
    _mm512_store_si512(weights + s / 2, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
  return 1 / _mm512_reduce_add_ps(sum);
}

// Of kRows queries the mean of the values, kVectors of 16 channels from `vector` on.
template <int64_t kVectors>
USAM_BF16_INLINE void mix_rows(const Head& head, const Workspace& work, int64_t first, int64_t vector,
                               const float* shares) {
  __m512 sums[kRows][kVectors] = {};
  for (int64_t s = 0; s < at::ceil_div<int64_t>(head.keys_count, 2); ++s) {
    const Pair* value = work.values.get() + (s * work.vectors + vector) * kLanes;
    __m512bh of_values[kVectors];
    for (int64_t v = 0; v < kVectors; ++v) of_values[v] = as_pairs(_mm512_load_si512(value + v * kLanes));
    for (int64_t r = 0; r < kRows; ++r) {
      const auto weight = as_pairs(_mm512_set1_epi32(static_cast<int>(work.weights[r * work.padded_keys / 2 + s])));
      for (int64_t v = 0; v < kVectors; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], weight, of_values[v]);
    }
  }
  for (int64_t r = 0; r < std::min(kRows, head.queries_count - first); ++r)
    for (int64_t v = 0; v < kVectors; ++v) {
      const int64_t at = (vector + v) * kLanes, left = head.width - at;
      const auto mask = static_cast<__mmask16>(left >= kLanes ? 0xffff : (1 << left) - 1);
      _mm512_mask_storeu_ps(head.out + (first + r) * head.out_stride + at, mask,
                            _mm512_mul_ps(sums[r][v], _mm512_set1_ps(shares[r])));
    }
}

USAM_BF16 void attend(const Head& head, Workspace& work) {
  take_keys(head, work);
  take_values(head, work);
  const float scale = 1 / std::sqrt(static_cast<float>(head.width));
  for (int64_t first = 0; first < head.queries_count; first += kRows) {
    const int64_t rows = std::min(kRows, head.queries_count - first);
    for (int64_t r = 0; r < rows; ++r)
      round_row(head.queries + (first + r) * head.query_stride, head.width, work.queries.get() + r * work.pairs);
    score_rows(work, head.keys_count);
    float shares[kRows];
    for (int64_t r = 0; r < kRows; ++r)
      shares[r] = soften(work.scores.get() + r * work.padded_keys, head.keys_count, scale,
                         work.weights.get() + r * work.padded_keys / 2);
    int64_t vector = 0;
    for (; vector + 4 <= work.vectors; vector += 4) mix_rows<4>(head, work, first, vector, shares);
    for (; vector + 2 <= work.vectors; vector += 2) mix_rows<2>(head, work, first, vector, shares);
    for (; vector < work.vectors; ++vector) mix_rows<1>(head, work, first, vector, shares);
  }
}

#endif

}  // namespace

bool can_attend_in_bf16(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                        const torch::Tensor& values_BHSK) {
  return has_bfloat16_products() && are_plain_heads(queries_BHTK, keys_BHSK, values_BHSK) &&
         queries_BHTK.size(3) % 2 == 0;
}

torch::Tensor bf16_attention(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                             const torch::Tensor& values_BHSK, const torch::Tensor& keys_B) {
#if defined(__x86_64__)
  return attend_heads<Workspace>(queries_BHTK, keys_BHSK, values_BHSK, keys_B, attend);
#else
  internal_error("this processor multiplies no bfloat16 numbers");
#endif
}

}  // namespace usam::nn
