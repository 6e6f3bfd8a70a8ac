#include "src/tensor/frames.h"

#include <numeric>

namespace usam {

std::vector<int64_t> to_vector(const torch::Tensor& lengths_B) {
  const auto host = lengths_B.to(torch::kCPU, torch::kInt64).contiguous();
  return {host.data_ptr<int64_t>(), host.data_ptr<int64_t>() + host.numel()};
}

torch::Tensor valid_places(const torch::Tensor& lengths_B, int64_t size, torch::Device device) {
  const auto lengths = lengths_B.accessor<int64_t, 1>();
  const torch::Tensor places_N = torch::empty({lengths_B.sum().item<int64_t>()}, torch::kInt64);
  auto* place = places_N.data_ptr<int64_t>();
  for (int64_t b = 0; b < lengths.size(0); ++b) {
    std::iota(place, place + lengths[b], b * size);
    place += lengths[b];
  }
  return to_device(places_N, device);
}

}  // namespace usam
