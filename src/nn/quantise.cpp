// R rows, C columns, O outputs.
#include "src/nn/quantise.h"

#include <ATen/ceil_div.h>
#include <bit>
#include <cmath>
#include <limits>

#include "src/tensor/parallel.h"
#include "src/tensor/widest.h"

namespace usam::nn {
namespace {

constexpr int64_t kGrainOfCodes = 1 << 15;  // values that are worth a thread
// A float of this size has steps of 1: adding it rounds to the nearest whole number, ties to even.
constexpr float kRounder = 12582912.0f;
constexpr int kRounderBits = 0x4B400000;

int64_t rows_a_thread(int64_t columns) {
  return std::max<int64_t>(1, kGrainOfCodes / std::max<int64_t>(1, columns));
}

// A row's codes, and its scale: NaN where the row has NaN or infinity.
USAM_INLINE inline float quantise_row(const float* x, int64_t count, int8_t* codes) {
  Float16Lanes largest{}, poison{};
  const int64_t whole = count - count % kLanes;
  for (int64_t c = 0; c < whole; c += kLanes) {
    const auto v = *reinterpret_cast<const Float16Lanes*>(x + c);
    const Float16Lanes magnitude = v < 0 ? -v : v;
    largest = magnitude > largest ? magnitude : largest;
    poison += v * 0;
  }
  float peak = 0, bad = 0;
  for (int64_t j = 0; j < kLanes; ++j) peak = std::max(peak, largest[j]), bad += poison[j];
  for (int64_t c = whole; c < count; ++c) peak = std::max(peak, std::fabs(x[c])), bad += x[c] * 0;
  const float scale = peak / 127;
  const float inverse = scale >= std::numeric_limits<float>::min() && bad == 0 ? 127 / peak : 0;
  for (int64_t c = 0; c < whole; c += kLanes) {
    const Float16Lanes rounded = *reinterpret_cast<const Float16Lanes*>(x + c) * inverse + kRounder;
    const Int16Lanes code = *reinterpret_cast<const Int16Lanes*>(&rounded) - kRounderBits;
    *reinterpret_cast<Byte16Lanes*>(codes + c) = __builtin_convertvector(code, Byte16Lanes);
  }
  for (int64_t c = whole; c < count; ++c)
    codes[c] = static_cast<int8_t>(std::bit_cast<int>(x[c] * inverse + kRounder) - kRounderBits);
  return scale + bad;
}

// Which of the sixteen values is nearest: the number of midpoints below.
std::array<float, 15> nf4_midpoints() {
  std::array<float, 15> midpoints{};
  for (size_t i = 0; i < midpoints.size(); ++i) midpoints[i] = (kNf4Values[i] + kNf4Values[i + 1]) / 2;
  return midpoints;
}

torch::Tensor composite_nf4(const Nf4& packed, int64_t first, int64_t count) {
  const int64_t begin = first / kNf4Block, end = at::ceil_div(first + count, kNf4Block);
  const auto codes = packed.codes.slice(0, begin * kNf4Block / 2, end * kNf4Block / 2).to(torch::kInt);
  const auto table = torch::tensor(std::vector<float>(kNf4Values.begin(), kNf4Values.end()),
                                   torch::dtype(torch::kFloat).device(codes.device()));
  const auto values = table.index_select(0, torch::stack({codes / 16, codes % 16}, 1).flatten().to(torch::kInt));
  const auto scaled = values.view({end - begin, kNf4Block}) * packed.scales.slice(0, begin, end).unsqueeze(1);
  return scaled.flatten().slice(0, first - begin * kNf4Block, first - begin * kNf4Block + count);
}

}  // namespace

const Nf4Pair* nf4_pairs() {
  static const auto pairs = [] {
    std::array<Nf4Pair, 256> all{};
    for (size_t byte = 0; byte < all.size(); ++byte) all[byte] = {kNf4Values[byte / 16], kNf4Values[byte % 16]};
    return all;
  }();
  return pairs.data();
}

Int8Rows quantise_rows(const torch::Tensor& x_RC) {
  auto x = x_RC.detach().to(torch::kFloat);
  if (x.stride(1) != 1) x = x.contiguous();  // rows may overlap: windows over a sequence
  if (!x.is_cpu()) {
    const auto scales_R = x.abs().amax(1) / 127;
    const auto inverse_R = torch::where(scales_R > 0, 1 / scales_R, torch::zeros_like(scales_R));
    return {(x * inverse_R.unsqueeze(1)).round().clamp(-127, 127).to(torch::kChar), scales_R};
  }
  Int8Rows rows{torch::empty(x.sizes(), torch::kChar), torch::empty({x.size(0)}, torch::kFloat)};
  const auto* from = x.const_data_ptr<float>();
  auto* codes = rows.codes_RC.data_ptr<int8_t>();
  auto* scales = rows.scales_R.data_ptr<float>();
  const int64_t columns = x.size(1), step = x.stride(0);
  parallel_for(0, x.size(0), rows_a_thread(columns), [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE {
      for (int64_t r = begin; r < end; ++r) scales[r] = quantise_row(from + r * step, columns, codes + r * columns);
    });
  });
  return rows;
}

torch::Tensor dequantise_rows(const Int8Rows& rows) {
  return rows.codes_RC.to(torch::kFloat).mul_(rows.scales_R.unsqueeze(1));
}

torch::Tensor scale_sums(const torch::Tensor& sums_RO, const torch::Tensor& scales_R, const torch::Tensor& scales_O,
                         const torch::Tensor& bias_O) {
  if (!sums_RO.is_cpu()) {
    const auto scaled_RO = sums_RO.to(torch::kFloat).mul_(scales_R.unsqueeze(1)).mul_(scales_O);
    return bias_O.defined() ? scaled_RO + bias_O : scaled_RO;
  }
  const int64_t outputs = sums_RO.size(1);
  const auto bias = bias_O.defined() ? bias_O.to(torch::kFloat).contiguous() : torch::zeros({outputs});
  auto y_RO = torch::empty(sums_RO.sizes(), torch::kFloat);
  const auto* sums = sums_RO.const_data_ptr<int>();
  const auto *of_rows = scales_R.const_data_ptr<float>(), *of_columns = scales_O.const_data_ptr<float>(),
             *shift = bias.const_data_ptr<float>();
  auto* y = y_RO.data_ptr<float>();
  parallel_for(0, sums_RO.size(0), rows_a_thread(outputs), [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE {
      for (int64_t r = begin; r < end; ++r)
        for (int64_t o = 0; o < outputs; ++o)
          y[r * outputs + o] = static_cast<float>(sums[r * outputs + o]) * (of_rows[r] * of_columns[o]) + shift[o];
    });
  });
  return y_RO;
}

Nf4 quantise_nf4(const torch::Tensor& x) {
  const auto from = x.detach().to(torch::kCPU, torch::kFloat).contiguous();
  const int64_t count = from.numel(), blocks = at::ceil_div(count, kNf4Block);
  Nf4 packed{torch::empty({blocks * kNf4Block / 2}, torch::kByte), torch::empty({blocks}, torch::kFloat)};
  const auto* values = from.const_data_ptr<float>();
  auto* codes = packed.codes.data_ptr<uint8_t>();
  auto* scales = packed.scales.data_ptr<float>();
  const auto midpoints = nf4_midpoints();
  parallel_for(0, blocks, kGrainOfCodes / kNf4Block, [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE {
      for (int64_t b = begin; b < end; ++b) {
        float block[kNf4Block] = {};
        int below[kNf4Block] = {};
        const int64_t size = std::min(kNf4Block, count - b * kNf4Block);
        float peak = 0;
        for (int64_t i = 0; i < size; ++i) {
          block[i] = values[b * kNf4Block + i];
          peak = std::max(peak, std::fabs(block[i]));
        }
        const float inverse = peak > 0 ? 1 / peak : 0;
        for (float midpoint : midpoints)
          for (int64_t i = 0; i < kNf4Block; ++i) below[i] += block[i] * inverse > midpoint ? 1 : 0;
        for (int64_t i = 0; i < kNf4Block; i += 2)
          codes[(b * kNf4Block + i) / 2] = static_cast<uint8_t>(below[i] * 16 + below[i + 1]);
        scales[b] = peak;
      }
    });
  });
  return {packed.codes.to(x.device()), packed.scales.to(x.device())};
}

torch::Tensor dequantise_nf4(const Nf4& packed, int64_t first, int64_t count) {
  if (!packed.codes.is_cpu() || first % 2 != 0) return composite_nf4(packed, first, count);
  auto values = torch::empty({count}, torch::kFloat);
  const auto* codes = packed.codes.const_data_ptr<uint8_t>();
  const auto* scales = packed.scales.const_data_ptr<float>();
  const Nf4Pair* pairs = nf4_pairs();
  auto* y = values.data_ptr<float>();
  parallel_for(0, at::ceil_div(count, kNf4Block), kGrainOfCodes / kNf4Block, [&](int64_t begin, int64_t end) {
    const int64_t stop = std::min(end * kNf4Block, count);
    for (int64_t i = begin * kNf4Block; i < stop;) {
      const int64_t at = first + i;
      const int64_t until = std::min(stop, i + kNf4Block - at % kNf4Block);
      const float scale = scales[at / kNf4Block];
      for (; i + 1 < until; i += 2) {
        const auto& pair = pairs[codes[(first + i) / 2]];
        y[i] = pair[0] * scale, y[i + 1] = pair[1] * scale;
      }
      if (i < until) y[i] = pairs[codes[(first + i) / 2]][0] * scale, ++i;
    }
  });
  return values;
}

}  // namespace usam::nn
