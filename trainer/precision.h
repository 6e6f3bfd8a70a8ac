#pragma once
#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include "trainer/trainer_config.h"

namespace usam {

// While it lives, matrix products and the like on `device` run in bf16 where torch's autocast lists them (the lists of
// torch.autocast); nothing happens under fp32. Casts of weights are kept until the end of the scope.
class AutocastScope {
 public:
  AutocastScope(torch::Device device, Precision precision)
      : device_(device.type()), on_(precision == Precision::kBf16) {
    if (!on_) return;
    was_on_ = at::autocast::is_autocast_enabled(device_);
    before_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, torch::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~AutocastScope() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_on_);
    at::autocast::set_autocast_dtype(device_, before_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  c10::DeviceType device_;
  bool on_, was_on_ = false;
  at::ScalarType before_ = torch::kFloat32;
};

}  // namespace usam
