// B rows, H heads, T queries, S keys, K head width. Keys and values of a head stay in the second cache while a few
// queries at a time pass over all of them: their scores are complete before the softmax, and never leave the cache.
#include "src/nn/fp32_attention.h"

#include <ATen/record_function.h>

#include <cmath>
#include <cstring>

#include "src/nn/attention_heads.h"
#include "src/nn/fast_exp.h"
#include "src/tensor/autocast.h"

namespace usam::nn {
namespace fp32 {
namespace {

constexpr int64_t kRows = 6;         // queries that are worked on together: their sums fill the registers
constexpr int64_t kMostVectors = 4;  // of 16 numbers each, by which they are multiplied

USAM_INLINE inline Float16Lanes& lanes(float* at) {
  return *reinterpret_cast<Float16Lanes*>(at);
}

// Of a thread: a head's numbers in the order in which they are read.
struct Workspace {
  Workspace(int64_t most_keys, int64_t width)
      : padded_width(at::round_up<int64_t>(width, kLanes)),
        padded_keys(at::round_up<int64_t>(most_keys, kMostVectors * kLanes)),
        keys(padded_keys * width),
        values(padded_keys * padded_width),
        queries(kRows * width),
        scores(kRows * padded_keys) {}

  int64_t padded_width, padded_keys;
  VectorArray<float> keys;     // (padded_keys / 16, width, 16)
  VectorArray<float> values;   // (padded_keys, padded_width)
  VectorArray<float> queries;  // (width, rows)
  VectorArray<float> scores;   // (rows, padded_keys)
};

USAM_INLINE inline void take_keys_and_values(const Head& head, Workspace& work) {
  for (int64_t s = 0; s < head.keys_count; ++s) {
    const float *key = head.keys + s * head.key_stride, *value = head.values + s * head.value_stride;
    float* keys = work.keys.get() + s / kLanes * head.width * kLanes + s % kLanes;
    for (int64_t k = 0; k < head.width; ++k) keys[k * kLanes] = key[k];
    std::copy_n(value, head.width, work.values.get() + s * work.padded_width);
  }
}

// kRows queries from `first` on, scaled; the last one again where there are no more.
USAM_INLINE inline void take_queries(const Head& head, int64_t first, Workspace& work) {
  const float scale = 1 / std::sqrt(static_cast<float>(head.width));
  for (int64_t r = 0; r < kRows; ++r) {
    const float* query = head.queries + std::min(first + r, head.queries_count - 1) * head.query_stride;
    for (int64_t k = 0; k < head.width; ++k) work.queries[k * kRows + r] = scale * query[k];
  }
}

// sums[r][v] = sum over i < count of rows[i * row_step + r * row_stride] * columns[i * column_step + v *
// column_stride].
template <int64_t kVectors>
USAM_INLINE inline void multiply(Float16Lanes (&sums)[kRows][kVectors], int64_t count, const float* rows,
                                 int64_t row_step, int64_t row_stride, const float* columns, int64_t column_step,
                                 int64_t column_stride) {
  for (int64_t i = 0; i < count; ++i) {
    Float16Lanes of[kVectors];
    for (int64_t v = 0; v < kVectors; ++v)
      of[v] = *reinterpret_cast<const Float16Lanes*>(columns + i * column_step + v * column_stride);
    for (int64_t r = 0; r < kRows; ++r) {
      const float by = rows[i * row_step + r * row_stride];
      for (int64_t v = 0; v < kVectors; ++v) sums[r][v] += by * of[v];
    }
  }
}

template <int64_t kVectors>
USAM_INLINE inline void score_rows(const Head& head, Workspace& work) {
  for (int64_t s = 0; s < head.keys_count; s += kVectors * kLanes) {
    Float16Lanes sums[kRows][kVectors] = {};
    multiply<kVectors>(sums, head.width, work.queries.get(), kRows, 1, work.keys.get() + s * head.width, kLanes,
                       head.width * kLanes);
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t v = 0; v < kVectors; ++v)
        lanes(work.scores.get() + r * work.padded_keys + s + v * kLanes) = sums[r][v];
  }
}

// Scores become e^(score - largest); returns 1 / their sum.
USAM_INLINE inline float soften(float* scores, int64_t keys) {
  const int64_t whole = keys / kLanes * kLanes;
  float largest = scores[0];
  if (whole > 0) {
    Float16Lanes most = lanes(scores);
    for (int64_t s = kLanes; s < whole; s += kLanes) most = most > lanes(scores + s) ? most : lanes(scores + s);
    for (int64_t j = 0; j < kLanes; ++j) largest = std::max(largest, most[j]);
  }
  for (int64_t s = whole; s < keys; ++s) largest = std::max(largest, scores[s]);
  float sums[kLanes] = {}, sum = 0;
  for (int64_t s = 0; s < whole; s += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) sums[j] += scores[s + j] = fast_exp(scores[s + j] - largest);
  for (int64_t s = whole; s < keys; ++s) sum += scores[s] = fast_exp(scores[s] - largest);
  for (const float part : sums) sum += part;
  return 1 / sum;
}

// Of kRows queries the mean of the values, kVectors of 16 channels from `channel` on.
template <int64_t kVectors>
USAM_INLINE inline void mix_rows(const Head& head, Workspace& work, int64_t first, int64_t channel,
                                 const float* shares) {
  Float16Lanes sums[kRows][kVectors] = {};
  multiply<kVectors>(sums, head.keys_count, work.scores.get(), 1, work.padded_keys, work.values.get() + channel,
                     work.padded_width, kLanes);
  for (int64_t r = 0; r < std::min(kRows, head.queries_count - first); ++r)
    for (int64_t v = 0; v < kVectors; ++v) {
      const Float16Lanes mean = sums[r][v] * shares[r];
      const int64_t at = channel + v * kLanes;
      std::memcpy(head.out + (first + r) * head.out_stride + at, &mean,
                  std::min(kLanes, head.width - at) * sizeof(float));
    }
}

template <int64_t kVectors>
USAM_INLINE inline void attend(const Head& head, Workspace& work) {
  take_keys_and_values(head, work);
  for (int64_t first = 0; first < head.queries_count; first += kRows) {
    take_queries(head, first, work);
    score_rows<kVectors>(head, work);
    float shares[kRows];
    for (int64_t r = 0; r < kRows; ++r) shares[r] = soften(work.scores.get() + r * work.padded_keys, head.keys_count);
    int64_t channel = 0;
    for (; channel + kVectors * kLanes <= work.padded_width; channel += kVectors * kLanes)
      mix_rows<kVectors>(head, work, first, channel, shares);
    for (; channel < work.padded_width; channel += kLanes) mix_rows<1>(head, work, first, channel, shares);
  }
}

}  // namespace
}  // namespace fp32

bool can_attend_in_fp32(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                        const torch::Tensor& values_BHSK) {
  return are_plain_heads(queries_BHTK, keys_BHSK, values_BHSK) && !autocast_type(torch::kCPU);
}

torch::Tensor fp32_attention(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                             const torch::Tensor& values_BHSK, const torch::Tensor& keys_B) {
  RECORD_FUNCTION("usam::attention", std::vector<c10::IValue>({queries_BHTK, keys_BHSK, values_BHSK, false}));
  const auto attend = [](const Head& head, fp32::Workspace& work) {
    widest([&]() USAM_INLINE {
      if (has_512_bits())  // else there are registers for a quarter of the sums
        fp32::attend<fp32::kMostVectors>(head, work);
      else
        fp32::attend<1>(head, work);
    });
  };
  return attend_heads<fp32::Workspace>(queries_BHTK, keys_BHSK, values_BHSK, keys_B, attend);
}

}  // namespace usam::nn
