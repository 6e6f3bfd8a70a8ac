// R rows, C columns, O outputs.
#include "src/nn/int8_product.h"

#include <ATen/Parallel.h>
#include <ATen/ceil_div.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>

#include "src/base/error.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

#if defined(__x86_64__)

#define USAM_AVX2 __attribute__((target("avx2")))
#define USAM_AVX2_INLINE USAM_AVX2 __attribute__((always_inline)) inline

constexpr int64_t kPanel = 16;                       // outputs that are worked on together: two registers of sums
constexpr int64_t kMostRows = 6;                     // likewise: their sums fill the registers
constexpr int64_t kEight = 8;                        // pairs in a register
constexpr int64_t kBytesOfPanels = 192 * 1024;       // that stay in the second cache while all rows pass
constexpr int64_t kGrainOfCodes = int64_t{1} << 14;  // of rows, that are worth a thread
constexpr int64_t kWorkOfThread = int64_t{1} << 18;  // products that are worth a thread
constexpr int64_t kTurnsOfThread = 4;                // in which a thread does its part, or more

using CodePair = int32_t;  // two neighbouring codes of 16 bits each

// What a call's threads share.
struct Operands {
  const CodePair* rows;   // (R / kMostRows, pairs, kMostRows): rows that are worked on together lie together
  const int8_t* weights;  // (O, columns), or (columns, O)
  bool is_by_output;      // which of the two
  const float *row_scales, *weight_scales, *bias;
  float* out;  // (R, O)
  int64_t count, columns, pairs, outputs;
};

USAM_AVX2_INLINE __m256i load(const CodePair* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// Eight pairs of each of eight outputs become eight outputs' of each of eight pairs.
USAM_AVX2_INLINE void transpose(__m256i (&pairs)[kEight]) {
  __m256i twos[kEight], fours[kEight];
  for (int i = 0; i < kEight; i += 2) {
    twos[i] = _mm256_unpacklo_epi32(pairs[i], pairs[i + 1]);
    twos[i + 1] = _mm256_unpackhi_epi32(pairs[i], pairs[i + 1]);
  }
  for (int i = 0; i < kEight; i += 4)
    for (int j = 0; j < 2; ++j) {
      fours[i + 2 * j] = _mm256_unpacklo_epi64(twos[i + j], twos[i + j + 2]);
      fours[i + 2 * j + 1] = _mm256_unpackhi_epi64(twos[i + j], twos[i + j + 2]);
    }
  for (int i = 0; i < 4; ++i) {
    pairs[i] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x20);
    pairs[i + 4] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x31);
  }
}

// Sixteen codes as pairs; zeros after the first `count`.
USAM_AVX2_INLINE __m256i widened(const int8_t* codes, int64_t count) {
  int8_t rest[2 * kEight] = {};
  if (count < 2 * kEight) {
    if (count > 0) std::memcpy(rest, codes, count);
    codes = rest;
  }
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
}

// Up to kMostRows rows of codes, as Operands has them; `packed` holds zeros.
USAM_AVX2 void pack_rows(const int8_t* codes, int64_t rows, int64_t columns, CodePair* packed) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t first = 0; first < columns; first += 2 * kEight) {
      CodePair pairs[kEight];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs), widened(codes + r * columns + first, columns - first));
      const int64_t count = std::min(kEight, at::ceil_div<int64_t>(columns - first, 2));
      for (int64_t i = 0; i < count; ++i) packed[(first / 2 + i) * kMostRows + r] = pairs[i];
    }
}

// Outputs first .. first + kPanel of a weight (O, columns) as (pairs, kPanel); zeros where there are none.
USAM_AVX2 void pack_outputs(const Operands& all, int64_t first, CodePair* panel) {
  for (int64_t half = 0; half < kPanel; half += kEight)
    for (int64_t pair = 0; pair < all.pairs; pair += kEight) {
      __m256i pairs[kEight];
      for (int64_t i = 0; i < kEight; ++i) {
        const int64_t output = first + half + i;
        const int8_t* codes = all.weights + output * all.columns + 2 * pair;
        pairs[i] = widened(codes, output < all.outputs ? all.columns - 2 * pair : 0);
      }
      transpose(pairs);
      for (int64_t i = 0; i < std::min(kEight, all.pairs - pair); ++i)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(panel + (pair + i) * kPanel + half), pairs[i]);
    }
}

// The same of a weight (columns, O).
USAM_AVX2 void pack_columns(const Operands& all, int64_t first, CodePair* panel) {
  const int64_t count = all.outputs - first;
  for (int64_t pair = 0; pair < all.pairs; ++pair) {
    const int8_t* codes = all.weights + 2 * pair * all.outputs + first;
    const bool is_whole = 2 * pair + 1 < all.columns;
    const __m256i even = widened(codes, count),
                  odd = is_whole ? widened(codes + all.outputs, count) : widened(codes, 0);
    const __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
    auto* to = reinterpret_cast<__m256i*>(panel + pair * kPanel);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(low, high, 0x31));
  }
}

// kR rows from `row` on by one panel.
template <int kR>
USAM_AVX2_INLINE void multiply_rows(const Operands& all, int64_t row, int64_t first, const CodePair* panel) {
  __m256i sums[kR][2];
  for (auto& of_row : sums) of_row[0] = of_row[1] = _mm256_setzero_si256();
  const CodePair* x = all.rows + row * all.pairs;  // a multiple of kMostRows
  for (int64_t pair = 0; pair < all.pairs; ++pair) {
    const __m256i low = load(panel + pair * kPanel), high = load(panel + pair * kPanel + kEight);
    for (int r = 0; r < kR; ++r) {
      const __m256i of_row = _mm256_set1_epi32(x[pair * kMostRows + r]);
      sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(of_row, low));
      sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(of_row, high));
    }
  }
  const int64_t outputs = std::min(kPanel, all.outputs - first);
  for (int r = 0; r < kR; ++r) {
    int whole[kPanel];
    for (int half = 0; half < 2; ++half)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(whole + half * kEight), sums[r][half]);
    const float scale = all.row_scales[row + r];
    float* out = all.out + (row + r) * all.outputs + first;
    for (int64_t o = 0; o < outputs; ++o)
      out[o] = static_cast<float>(whole[o]) * (scale * all.weight_scales[first + o]) + all.bias[first + o];
  }
}

USAM_AVX2 void multiply_panel(const Operands& all, int64_t row, int64_t rows, int64_t first, const CodePair* panel) {
  switch (rows) {
    case 1:
      return multiply_rows<1>(all, row, first, panel);
    case 2:
      return multiply_rows<2>(all, row, first, panel);
    case 3:
      return multiply_rows<3>(all, row, first, panel);
    case 4:
      return multiply_rows<4>(all, row, first, panel);
    case 5:
      return multiply_rows<5>(all, row, first, panel);
    default:
      return multiply_rows<kMostRows>(all, row, first, panel);
  }
}

// All panels; each thread takes the next few that are left, so that a slow core does fewer.
void multiply(const Operands& all) {
  const int64_t panels = at::ceil_div(all.outputs, kPanel), size = all.pairs * kPanel;  // of a panel
  const int64_t work = all.count * all.columns * all.outputs;
  const int64_t threads = std::clamp<int64_t>(work / kWorkOfThread, 1, at::get_num_threads());
  const int64_t fitting = kBytesOfPanels / (size * sizeof(CodePair));
  const int64_t together = std::max<int64_t>(1, std::min(fitting, panels / (kTurnsOfThread * threads)));
  std::atomic<int64_t> next = 0;
  parallel_for(0, threads, 1, [&](int64_t, int64_t) {
    const auto packed = torch::empty({together * size}, torch::kInt);
    auto* taken = packed.data_ptr<CodePair>();
    for (int64_t first; (first = next.fetch_add(together)) < panels;) {
      const int64_t count = std::min(together, panels - first);
      for (int64_t p = 0; p < count; ++p)
        (all.is_by_output ? pack_outputs : pack_columns)(all, (first + p) * kPanel, taken + p * size);
      for (int64_t row = 0; row < all.count; row += kMostRows)
        for (int64_t p = 0; p < count; ++p)
          multiply_panel(all, row, std::min(kMostRows, all.count - row), (first + p) * kPanel, taken + p * size);
    }
  });
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
  if (columns == 0 || rows == 0)
    return scale_sums(torch::zeros({rows, outputs}, torch::kInt), x.scales_R, weight.scales_R, bias_O);
  const bool is_by_output = weight.codes_RC.is_contiguous() || !weight.codes_RC.t().is_contiguous();
  const auto weights = is_by_output ? weight.codes_RC.contiguous() : weight.codes_RC.t();
  // Zeros where there is none: of a choice in the kernel compilers make a masked load from no address, which takes
  // AMD's processors hundreds of cycles.
  const auto bias = bias_O.defined() ? bias_O.to(torch::kFloat).contiguous() : torch::zeros({outputs});
  auto y_RO = torch::empty({rows, outputs}, torch::kFloat);
  const int64_t pairs = at::ceil_div<int64_t>(columns, 2), blocks = at::ceil_div(rows, kMostRows);
  const auto codes_RC = x.codes_RC.contiguous();
  const auto packed = torch::zeros({blocks * pairs * kMostRows}, torch::kInt);
  auto* packed_rows = packed.data_ptr<CodePair>();
  parallel_for(0, blocks, std::max<int64_t>(1, kGrainOfCodes / columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * kMostRows; row < std::min(rows, end * kMostRows); row += kMostRows)
      pack_rows(codes_RC.const_data_ptr<int8_t>() + row * columns, std::min(kMostRows, rows - row), columns,
                packed_rows + row * pairs);
  });
  const Operands all{packed_rows,
                     weights.const_data_ptr<int8_t>(),
                     is_by_output,
                     x.scales_R.const_data_ptr<float>(),
                     weight.scales_R.const_data_ptr<float>(),
                     bias.const_data_ptr<float>(),
                     y_RO.data_ptr<float>(),
                     rows,
                     columns,
                     pairs,
                     outputs};
  multiply(all);
  return y_RO;
#else
  internal_error("int8_product was called on a processor that it is not for");
#endif
}

}  // namespace usam::nn
