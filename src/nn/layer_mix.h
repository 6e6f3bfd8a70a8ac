#pragma once
#include <torch/torch.h>

#include <vector>

namespace usam::nn {

// One stream from all hidden states of an encoder: a learned 1 x 1 convolution over the L states, sum_l w_l h_l + b.
// Starts as their mean. `weight` is (1, L): two axes, so that weight decay treats it as the matrix that it is.
class LayerMixImpl : public torch::nn::Module {
 public:
  explicit LayerMixImpl(int64_t states);
  // L states of equal shape -> one of that shape.
  torch::Tensor forward(const std::vector<torch::Tensor>& states);

 private:
  torch::Tensor weight_, bias_;
};
TORCH_MODULE(LayerMix);

}  // namespace usam::nn
