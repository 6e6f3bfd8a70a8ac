#pragma once
#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include <optional>

namespace usam {

// The type that autocast gives products on a device; none where it is off, or the device knows no autocast.
inline std::optional<torch::ScalarType> autocast_type(torch::Device device) {
  const auto type = device.type();
  if (!at::autocast::is_autocast_available(type) || !at::autocast::is_autocast_enabled(type)) return {};
  return at::autocast::get_autocast_dtype(type);
}

}  // namespace usam
