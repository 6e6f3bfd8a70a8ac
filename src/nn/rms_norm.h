#pragma once
// N rows, D width.
#include <torch/torch.h>

#include <utility>

namespace usam::nn {

// x / rms(x) * weight over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467). The mean square is taken in fp32
// and the result cast back to x's type before the weight is applied, as the Llama reference does.
class RmsNormImpl : public torch::nn::Module {
 public:
  RmsNormImpl(int64_t width, double eps);
  torch::Tensor forward(const torch::Tensor& x);
  // The sum of the two and its norm, as x + y and forward(x + y) are; both of one shape.
  std::pair<torch::Tensor, torch::Tensor> add(const torch::Tensor& x, const torch::Tensor& y);

  torch::Tensor weight;

 private:
  double eps_;
};
TORCH_MODULE(RmsNorm);

// The definition in torch's operators: what forward() is for other devices and types than fp32 on the CPU.
torch::Tensor composite_rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps);

}  // namespace usam::nn
