#pragma once
#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include <optional>

#include "trainer/trainer_config.h"

namespace usam {

// The type that passes run in under autocast; none where they do not.
inline std::optional<torch::ScalarType> autocast_type(Precision precision) {
  return precision == Precision::kBf16 ? std::optional(torch::kBFloat16) : std::nullopt;
}

// While it lives, matrix products and the like on `device` run in bf16 where torch's autocast lists them (the lists of
// torch.autocast); nothing happens under fp32. Casts of weights are kept until the end of the scope.
class AutocastScope {
 public:
  AutocastScope(torch::Device device, Precision precision) : device_(device.type()), type_(autocast_type(precision)) {
    if (!type_) return;
    was_on_ = at::autocast::is_autocast_enabled(device_);
    before_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, *type_);
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    if (!type_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_on_);
    at::autocast::set_autocast_dtype(device_, before_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  c10::DeviceType device_;
  std::optional<torch::ScalarType> type_;
  bool was_on_ = false;
  at::ScalarType before_ = torch::kFloat32;
};

}  // namespace usam
