#include "src/nn/rms_norm.h"

namespace usam::nn {

RmsNormImpl::RmsNormImpl(int64_t width, double eps) : eps_(eps) {
  weight = register_parameter("weight", torch::ones(width));
}

torch::Tensor RmsNormImpl::forward(const torch::Tensor& x) {
  auto wide = x.to(torch::kFloat);
  auto normed = wide * torch::rsqrt(wide.square().mean(-1, true) + eps_);
  return weight * normed.to(x.scalar_type());
}

}  // namespace usam::nn
