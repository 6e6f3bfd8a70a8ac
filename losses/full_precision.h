#pragma once
#include <torch/torch.h>

namespace usam::losses {

// Switches autocast off while it lives: sums over thousands of items and small differences of cosines need fp32.
class FullPrecision {
 private:
  c10::impl::ExcludeDispatchKeyGuard guard_{c10::autocast_dispatch_keyset};
};

}  // namespace usam::losses
