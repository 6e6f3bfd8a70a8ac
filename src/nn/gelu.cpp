#include "src/nn/gelu.h"

#include <ATen/Parallel.h>

#include "src/nn/cpu_kernel.h"

namespace usam::nn {

torch::Tensor gelu(torch::Tensor x) {
  const bool is_ours = x.is_cpu() && x.scalar_type() == torch::kFloat && x.is_non_overlapping_and_dense();
  if (!is_ours || makes_graph(x)) return torch::gelu(x);
  auto* values = x.data_ptr<float>();
  at::parallel_for(0, x.numel(), kCpuGrain, [&](int64_t begin, int64_t end) {
    widest([&]() USAM_INLINE {
      for (int64_t i = begin; i < end; ++i) values[i] = fast_gelu(values[i]);
    });
  });
  return x;
}

}  // namespace usam::nn
