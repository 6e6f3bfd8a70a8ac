// O outputs, I inputs.
#include "src/nn/few_rows.h"

#include <algorithm>
#include <cstring>

#include "src/nn/cpu_kernel.h"
#include "src/nn/quantise.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

constexpr int64_t kFewRows = 16;     // with more of them arithmetic is the work, and torch has the better blocks
constexpr int64_t kGrain = 1 << 17;  // values of W that are worth a thread, of up to kRowsOfGrain rows
constexpr int64_t kRowsOfGrain = 4;

// A reader gives sixteen values of W, from the one numbered `i` of all on, or the `count` that are left of a row
// followed by zeros; has them fetched into the cache; and tells what an output's sum is multiplied with.
struct FloatReader {
  const float* values;
  USAM_INLINE void read(int64_t i, Float16Lanes& lanes) const { read_lanes(values + i, kLanes, lanes); }
  USAM_INLINE void read_part(int64_t i, int64_t count, Float16Lanes& lanes) const {
    read_lanes(values + i, count, lanes);
  }
  USAM_INLINE void fetch(int64_t i) const { __builtin_prefetch(values + i, 0, 2); }
  USAM_INLINE float scale(int64_t) const { return 1; }
};

struct Int8Reader {
  const int8_t* codes;
  const float* scales;
  USAM_INLINE void read(int64_t i, Float16Lanes& lanes) const {
    Byte16Lanes bytes;
    std::memcpy(&bytes, codes + i, sizeof(bytes));
    lanes = __builtin_convertvector(bytes, Float16Lanes);
  }
  USAM_INLINE void read_part(int64_t i, int64_t count, Float16Lanes& lanes) const {
    lanes = Float16Lanes{};
    for (int64_t j = 0; j < count; ++j) lanes[j] = static_cast<float>(codes[i + j]);
  }
  USAM_INLINE void fetch(int64_t i) const { __builtin_prefetch(codes + i, 0, 2); }
  USAM_INLINE float scale(int64_t output) const { return scales[output]; }
};

struct BFloat16Reader {
  const uint16_t* values;
  USAM_INLINE void read(int64_t i, Float16Lanes& lanes) const {
    Short16Lanes halves;
    std::memcpy(&halves, values + i, sizeof(halves));
    const Int16Lanes bits = __builtin_convertvector(halves, Int16Lanes) << 16;
    lanes = reinterpret_cast<const Float16Lanes&>(bits);
  }
  USAM_INLINE void read_part(int64_t i, int64_t count, Float16Lanes& lanes) const {
    Int16Lanes bits{};
    for (int64_t j = 0; j < count; ++j) bits[j] = values[i + j] << 16;
    lanes = reinterpret_cast<const Float16Lanes&>(bits);
  }
  USAM_INLINE void fetch(int64_t i) const { __builtin_prefetch(values + i, 0, 2); }
  USAM_INLINE float scale(int64_t) const { return 1; }
};

struct Nf4Reader {
  const uint8_t* codes;
  const float* scales;
  const Nf4Pair* pairs;
  USAM_INLINE void read(int64_t i, Float16Lanes& lanes) const {
    for (int64_t j = 0; j < kLanes / 2; ++j) {
      const auto& pair = pairs[codes[i / 2 + j]];
      lanes[2 * j] = pair[0], lanes[2 * j + 1] = pair[1];
    }
    lanes *= scales[i / kNf4Block];
  }
  USAM_INLINE void read_part(int64_t, int64_t, Float16Lanes&) const {}  // there are whole vectors only
  USAM_INLINE void fetch(int64_t i) const { __builtin_prefetch(codes + i / 2, 0, 2); }
  USAM_INLINE float scale(int64_t) const { return 1; }
};

struct Rows {
  const float *x, *bias;  // `count` rows of `inputs`; null or `outputs`
  float* y;               // `count` rows of `outputs`
  int64_t count, inputs, outputs;
};

template <int kOutputs, int kRows>
USAM_INLINE inline void add_products(const Float16Lanes (&weight)[kOutputs], const Float16Lanes& x, int m,
                                     Float16Lanes (&sums)[kOutputs][kRows]) {
  for (int o = 0; o < kOutputs; ++o) sums[o][m] += weight[o] * x;
}

// Outputs first .. first + kOutputs of rows row .. row + kRows: as many sums as registers hold. Every sum goes through
// its inputs in one order, whatever the tile. While a tile is computed the weights of the next one are fetched, which
// the processor would not begin by itself before it sees the next rows' addresses.
template <int kOutputs, int kRows, class Reader>
USAM_INLINE inline void multiply_tile(const Reader& weight, const Rows& rows, int64_t first, int64_t row) {
  Float16Lanes sums[kOutputs][kRows] = {};
  Float16Lanes lanes[kOutputs], values;
  const float* x = rows.x + row * rows.inputs;
  const int64_t whole = rows.inputs / kLanes * kLanes, left = rows.inputs - whole;
  for (int64_t i = 0; i < whole; i += kLanes) {
    for (int o = 0; o < kOutputs; ++o) {
      weight.read((first + o) * rows.inputs + i, lanes[o]);
      weight.fetch((first + kOutputs + o) * rows.inputs + i);
    }
    for (int m = 0; m < kRows; ++m) {
      std::memcpy(&values, x + m * rows.inputs + i, sizeof(values));
      add_products(lanes, values, m, sums);
    }
  }
  if (left > 0) {
    for (int o = 0; o < kOutputs; ++o) weight.read_part((first + o) * rows.inputs + whole, left, lanes[o]);
    for (int m = 0; m < kRows; ++m) {
      FloatReader{x + m * rows.inputs}.read_part(whole, left, values);
      add_products(lanes, values, m, sums);
    }
  }
  for (int o = 0; o < kOutputs; ++o) {
    const float scale = weight.scale(first + o), bias = rows.bias ? rows.bias[first + o] : 0;
    for (int m = 0; m < kRows; ++m) rows.y[(row + m) * rows.outputs + first + o] = sum_of(sums[o][m]) * scale + bias;
  }
}

// Outputs begin .. end of all rows. The rows go past a few outputs' weights, which the cache holds meanwhile.
template <int kOutputs, int kRows, class Reader>
USAM_INLINE inline void multiply_tiles(const Reader& weight, const Rows& rows, int64_t begin, int64_t end) {
  int64_t o = begin;
  for (; o + kOutputs <= end; o += kOutputs) {
    int64_t row = 0;
    for (; row + kRows <= rows.count; row += kRows) multiply_tile<kOutputs, kRows>(weight, rows, o, row);
    for (; row < rows.count; ++row) multiply_tile<kOutputs, 1>(weight, rows, o, row);
  }
  for (; o < end; ++o)
    for (int64_t row = 0; row < rows.count; ++row) multiply_tile<1, 1>(weight, rows, o, row);
}

template <class Reader>
void multiply(const Reader& weight, const Rows& rows) {
  const int64_t grain = std::max<int64_t>(1, kGrain / (rows.inputs * std::max<int64_t>(1, rows.count / kRowsOfGrain)));
  parallel_for(0, rows.outputs, grain, [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE {
      if (rows.count == 1)
        multiply_tiles<8, 1>(weight, rows, begin, end);
      else if (rows.count < 4)
        multiply_tiles<4, 2>(weight, rows, begin, end);
      else
        multiply_tiles<4, 4>(weight, rows, begin, end);
    });
  });
}

}  // namespace

bool can_take_few_rows(const torch::Tensor& x, const StoredWeight& weight) {
  if (!x.is_cpu() || x.scalar_type() != torch::kFloat || weight.inputs == 0) return false;
  if (x.size(-1) != weight.inputs) return false;  // torch says so in its words
  if (x.numel() > kFewRows * weight.inputs) return false;
  if (weight.store == WeightStore::kNf4) return weight.inputs % kLanes == 0;
  if (weight.scales.defined()) return true;
  const auto type = weight.values.scalar_type();
  return type == torch::kFloat || type == torch::kBFloat16;
}

torch::Tensor product_of_few_rows(const torch::Tensor& x_given, const StoredWeight& weight,
                                  const torch::Tensor& bias_O) {
  const auto x = x_given.contiguous(), values = weight.values.contiguous();
  auto sizes = x.sizes().vec();
  sizes.back() = weight.outputs;
  auto y = torch::empty(sizes, x.options());
  const Rows rows{x.const_data_ptr<float>(),
                  bias_O.defined() ? bias_O.const_data_ptr<float>() : nullptr,
                  y.data_ptr<float>(),
                  x.numel() / weight.inputs,
                  weight.inputs,
                  weight.outputs};
  if (weight.store == WeightStore::kNf4) {
    multiply(Nf4Reader{values.const_data_ptr<uint8_t>(), weight.scales.const_data_ptr<float>(), nf4_pairs()}, rows);
  } else if (weight.scales.defined()) {
    multiply(Int8Reader{values.const_data_ptr<int8_t>(), weight.scales.const_data_ptr<float>()}, rows);
  } else if (values.scalar_type() == torch::kBFloat16) {
    multiply(BFloat16Reader{static_cast<const uint16_t*>(values.const_data_ptr())}, rows);
  } else {
    multiply(FloatReader{values.const_data_ptr<float>()}, rows);
  }
  return y;
}

}  // namespace usam::nn
