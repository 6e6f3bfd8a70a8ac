#pragma once
// Matrices in fewer bits. R rows, C columns, O outputs.
#include <torch/torch.h>

#include <array>

namespace usam::nn {

// Codes from -127 to 127; a row's values are code * scale, scale = its largest magnitude / 127.
struct Int8Rows {
  torch::Tensor codes_RC;  // int8
  torch::Tensor scales_R;  // fp32; NaN for a row with NaN
};
// x: any floating type; each value becomes the nearest code's.
Int8Rows quantise_rows(const torch::Tensor& x_RC);
// The values, in fp32 on any device.
torch::Tensor dequantise_rows(const Int8Rows& rows);
// y = sums * row scale * column scale + bias (may be undefined), fp32: what an integer product of two Int8Rows means.
torch::Tensor scale_sums(const torch::Tensor& sums_RO, const torch::Tensor& scales_R, const torch::Tensor& scales_O,
                         const torch::Tensor& bias_O);

// The 4-bit NormalFloat of QLoRA (Dettmers et al. 2023, arXiv 2305.14314, appendix E): quantiles of a normal
// distribution, scaled by the largest magnitude of each block of 64 values; blocks follow each other row by row.
inline constexpr int64_t kNf4Block = 64;
inline constexpr std::array<float, 16> kNf4Values = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
// The two values of each byte of codes.
using Nf4Pair = std::array<float, 2>;
const Nf4Pair* nf4_pairs();

struct Nf4 {
  torch::Tensor codes;   // uint8, two values each, the first in the high bits; filled up to whole blocks
  torch::Tensor scales;  // fp32, a block each
};
Nf4 quantise_nf4(const torch::Tensor& x);
// `count` values from the one numbered `first` on, fp32.
torch::Tensor dequantise_nf4(const Nf4& packed, int64_t first, int64_t count);

}  // namespace usam::nn
