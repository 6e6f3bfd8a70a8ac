// R rows, C columns, O outputs.
#include "src/nn/int8_product.h"

#include <ATen/ceil_div.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "src/base/error.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

#if defined(__x86_64__)

#define USAM_AVX2 __attribute__((target("avx2")))
#define USAM_AVX2_INLINE USAM_AVX2 __attribute__((always_inline)) inline

constexpr int64_t kCodes = 16;                          // codes in a register, 16 bits each
constexpr int64_t kRowBlock = 4, kOutputBlock = 2;      // whose sums are in registers at once
constexpr int64_t kBytesOfOutputs = 128 * 1024;         // codes that stay in the second cache while all rows pass
constexpr int64_t kGrainOfProducts = int64_t{1} << 18;  // that are worth a thread

// What a call's threads share.
struct Operands {
  const int16_t* rows;    // (R, padded): codes, filled up with zeros
  const int8_t* weights;  // (O, columns)
  const float *row_scales, *weight_scales, *bias;
  float* out;  // (R, O)
  int64_t count, columns, padded, outputs;
};

USAM_AVX2_INLINE __m256i widened(const int8_t* codes) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
}

USAM_AVX2_INLINE int sum_of(__m256i lanes) {
  const __m128i fours = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  const __m128i twos = _mm_add_epi32(fours, _mm_unpackhi_epi64(fours, fours));
  return _mm_cvtsi128_si32(_mm_add_epi32(twos, _mm_shuffle_epi32(twos, 1)));
}

template <int kR, int kO>
USAM_AVX2_INLINE void add_products(const int16_t* x, int64_t x_step, const int8_t* w, int64_t w_step,
                                   __m256i (&sums)[kR][kO]) {
  __m256i of_outputs[kO];
  for (int o = 0; o < kO; ++o) of_outputs[o] = widened(w + o * w_step);
  for (int r = 0; r < kR; ++r) {
    const __m256i of_row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + r * x_step));
    for (int o = 0; o < kO; ++o) sums[r][o] = _mm256_add_epi32(sums[r][o], _mm256_madd_epi16(of_row, of_outputs[o]));
  }
}

template <int kR, int kO>
USAM_AVX2_INLINE void multiply_block(const Operands& all, int64_t row, int64_t output) {
  __m256i sums[kR][kO];
  for (auto& of_row : sums)
    for (auto& sum : of_row) sum = _mm256_setzero_si256();
  const int16_t* x = all.rows + row * all.padded;
  const int8_t* w = all.weights + output * all.columns;
  const int64_t whole = all.columns - all.columns % kCodes;
  for (int64_t c = 0; c < whole; c += kCodes) add_products<kR, kO>(x + c, all.padded, w + c, all.columns, sums);
  if (whole < all.columns) {
    int8_t rest[kO * kCodes] = {};
    for (int o = 0; o < kO; ++o) std::memcpy(rest + o * kCodes, w + o * all.columns + whole, all.columns - whole);
    add_products<kR, kO>(x + whole, all.padded, rest, kCodes, sums);
  }
  for (int r = 0; r < kR; ++r)
    for (int o = 0; o < kO; ++o) {
      const float scale = all.row_scales[row + r] * all.weight_scales[output + o];
      const float shift = all.bias ? all.bias[output + o] : 0;
      all.out[(row + r) * all.outputs + output + o] = static_cast<float>(sum_of(sums[r][o])) * scale + shift;
    }
}

template <int kR>
USAM_AVX2_INLINE void multiply_rows(const Operands& all, int64_t row, int64_t first, int64_t last) {
  int64_t output = first;
  for (; output + kOutputBlock <= last; output += kOutputBlock) multiply_block<kR, kOutputBlock>(all, row, output);
  for (; output < last; ++output) multiply_block<kR, 1>(all, row, output);
}

// Outputs begin .. end of all rows.
USAM_AVX2 void multiply(const Operands& all, int64_t begin, int64_t end) {
  const int64_t size =
      std::max(kOutputBlock, kBytesOfOutputs / std::max<int64_t>(1, all.columns) / kOutputBlock * kOutputBlock);
  for (int64_t first = begin; first < end; first += size) {
    const int64_t last = std::min(end, first + size);
    int64_t row = 0;
    for (; row + kRowBlock <= all.count; row += kRowBlock) multiply_rows<kRowBlock>(all, row, first, last);
    for (; row < all.count; ++row) multiply_rows<1>(all, row, first, last);
  }
}

#endif

}  // namespace

bool& prefers_own_int8_product() {
#if defined(__x86_64__)
  static bool prefers = __builtin_cpu_supports("avx2") && !__builtin_cpu_supports("avx512vnni");
#else
  static bool prefers = false;
#endif
  return prefers;
}

torch::Tensor int8_product(const Int8Rows& x, const Int8Rows& weight, const torch::Tensor& bias_O) {
#if defined(__x86_64__)
  const int64_t rows = x.codes_RC.size(0), columns = x.codes_RC.size(1), outputs = weight.codes_RC.size(0);
  const int64_t missing = at::round_up(columns, kCodes) - columns;
  auto wide_RC = x.codes_RC.to(torch::kShort);
  if (missing > 0) wide_RC = torch::constant_pad_nd(wide_RC, {0, missing});
  const auto weights_OC = weight.codes_RC.contiguous();
  const auto bias = bias_O.defined() ? bias_O.to(torch::kFloat).contiguous() : bias_O;
  auto y_RO = torch::empty({rows, outputs}, torch::kFloat);
  const Operands all{wide_RC.const_data_ptr<int16_t>(),
                     weights_OC.const_data_ptr<int8_t>(),
                     x.scales_R.const_data_ptr<float>(),
                     weight.scales_R.const_data_ptr<float>(),
                     bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                     y_RO.data_ptr<float>(),
                     rows,
                     columns,
                     wide_RC.size(1),
                     outputs};
  const int64_t grain = std::max<int64_t>(1, kGrainOfProducts / std::max<int64_t>(1, rows * columns));
  parallel_for(0, outputs, grain, [&](int64_t begin, int64_t end) { multiply(all, begin, end); });
  return y_RO;
#else
  internal_error("int8_product was called on a processor that it is not for");
#endif
}

}  // namespace usam::nn
