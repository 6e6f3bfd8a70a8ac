#include "data/features/wave.h"

namespace usam::data {

torch::Tensor Wave::operator()(const torch::Tensor& samples) const {
  const at::NoGradGuard no_grad;
  if (!spec_.normalize) return samples.contiguous();
  const torch::Tensor x = samples.to(torch::kFloat64);
  return ((x - x.mean()) / (x.var(/*unbiased=*/false) + 1e-7).sqrt()).to(torch::kFloat32);
}

}  // namespace usam::data
