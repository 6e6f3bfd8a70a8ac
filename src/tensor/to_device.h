#pragma once
#include <torch/torch.h>

#include <vector>

namespace usam {

// A tensor of host memory on a device, without a wait: CUDA takes it from pinned memory. What says how large things are
// (lengths, counts, rows) lives in host memory and is sent; asking the device for it would wait for all that it was
// given to do.
inline torch::Tensor to_device(const torch::Tensor& tensor, torch::Device device) {
  return (device.is_cuda() && tensor.is_cpu() ? tensor.pin_memory() : tensor).to(device, /*non_blocking=*/true);
}
// Numbers as int64 (N) there.
inline torch::Tensor to_device(const std::vector<int64_t>& values, torch::Device device) {
  return to_device(torch::tensor(values, torch::kInt64), device);
}

}  // namespace usam
