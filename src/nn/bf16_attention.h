#pragma once
// Attention whose products are of bfloat16 numbers, on processors that multiply them (AVX512-BF16). B rows, H heads, T
// queries, S keys, K head width.
#include <torch/torch.h>

namespace usam::nn {

// Whether the kernel below takes these: fp32 on such a processor, in NoGradGuard and not in a run that will be
// repeated with a graph (will_run_again()), an even head width up to 128, channels next to each other.
bool can_attend_in_bf16(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                        const torch::Tensor& values_BHSK);
// Scaled dot-product attention, (B, T, H * K). Queries, keys, values and the softmax's weights are rounded to bfloat16,
// scores and sums are fp32. Of row b the first `keys_B[b]` keys are seen, at least one; int64, in host memory.
torch::Tensor bf16_attention(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                             const torch::Tensor& values_BHSK, const torch::Tensor& keys_B);

}  // namespace usam::nn
