#pragma once
#include <torch/torch.h>

namespace usam::nn {

// x / rms(x) * weight over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467). The mean square is taken in fp32
// and the result cast back to x's type before the weight is applied, as the Llama reference does.
class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(int64_t width, double eps);
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor weight;

 private:
  double eps_;
};
TORCH_MODULE(RmsNorm);

}  // namespace usam::nn
