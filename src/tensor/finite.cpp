#include "src/tensor/finite.h"
#include "src/tensor/parallel.h"

#include <atomic>
#include <cstring>

namespace usam {
namespace {

// A number is NaN or infinite when all bits of its exponent are set.
template <class Bits>
bool all_finite(const void* data, int64_t count, Bits exponent) {
  const auto* bytes = static_cast<const char*>(data);
  std::atomic<bool> is_finite = true;
  parallel_for(0, count, 1 << 20, [&](int64_t begin, int64_t end) {
    Bits found = 0;
    for (int64_t i = begin; i < end; ++i) {
      Bits bits;
      std::memcpy(&bits, bytes + static_cast<size_t>(i) * sizeof bits, sizeof bits);
      found |= static_cast<Bits>((bits & exponent) == exponent);
    }
    if (found) is_finite = false;
  });
  return is_finite;
}

}  // namespace

bool all_finite(const torch::Tensor& tensor) {
  if (!torch::isFloatingType(tensor.scalar_type())) return true;
  if (!tensor.device().is_cpu() || !tensor.is_contiguous()) return tensor.isfinite().all().item<bool>();
  const void* data = tensor.const_data_ptr();
  switch (tensor.scalar_type()) {
    case torch::kDouble:
      return all_finite<uint64_t>(data, tensor.numel(), 0x7ff0'0000'0000'0000);
    case torch::kFloat:
      return all_finite<uint32_t>(data, tensor.numel(), 0x7f80'0000);
    case torch::kBFloat16:
      return all_finite<uint16_t>(data, tensor.numel(), 0x7f80);
    case torch::kHalf:
      return all_finite<uint16_t>(data, tensor.numel(), 0x7c00);
    default:
      return tensor.isfinite().all().item<bool>();
  }
}

}  // namespace usam
