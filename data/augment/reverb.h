#pragma once
#include <torch/torch.h>

namespace usam::data {

// samples (n) as heard in a room with the impulse response (m), both float32 at one rate: their convolution from the
// response's direct path (its largest magnitude) on, so that what is said stays where it was, as long as the clip, and
// with the clip's mean power. A clip or a response that is silent gives the clip.
torch::Tensor reverberate(const torch::Tensor& samples, const torch::Tensor& response);

}  // namespace usam::data
