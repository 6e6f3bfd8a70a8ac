#pragma once
// Attention of frozen layers in fp32 on a processor. B rows, H heads, T queries, S keys, K head width.
#include <torch/torch.h>

namespace usam::nn {

// Whether the kernel below takes these: fp32 on a processor, in NoGradGuard and not in a run that will be
// repeated with a graph (will_run_again()), without autocast, a head width up to 128, channels next to each other.
bool can_attend_in_fp32(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                        const torch::Tensor& values_BHSK);
// Scaled dot-product attention, (B, T, H * K): torch's within fp32's rounding, in 0.9 of its time at Whisper's sizes.
// Of row b the first `keys_B[b]` keys are seen, at least one; int64, in host memory. Profilers see it as
// usam::attention(queries, keys, values, is_causal).
torch::Tensor fp32_attention(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                             const torch::Tensor& values_BHSK, const torch::Tensor& keys_B);

}  // namespace usam::nn
