#include "src/nn/dropout.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ceil_div.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "src/base/draw.h"
#include "src/nn/cpu_kernel.h"
#include "src/tensor/parallel.h"

namespace usam::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kBlock = 1 << 14;  // elements that share a key

// 32 well-mixed bits of an element's place in its block (the multipliers of Wellons' hash-prospector "triple32").
inline uint32_t hash_of(uint32_t place, uint32_t key, uint32_t more) {
  uint32_t h = place * 0x9e3779b9u + key;
  h ^= h >> 17;
  h *= 0xed5ad4bbu;
  h ^= (h >> 11) ^ more;
  h *= 0xac4c1b51u;
  h ^= h >> 15;
  h *= 0x31848babu;
  return h ^ (h >> 14);
}

struct KeptElements {
  uint32_t key, more;  // of the block
  uint32_t bound;      // hashes from here on are kept
  float scale;
};

USAM_INLINE inline void keep(const float* x, float* y, int64_t count, const KeptElements& kept) {
  const uint32_t key = kept.key, more = kept.more, bound = kept.bound;
  const float scale = kept.scale;
  const auto size = static_cast<uint32_t>(count);
  for (uint32_t i = 0; i < size; ++i) y[i] = hash_of(i, key, more) >= bound ? x[i] * scale : 0.0f;
}

class Dropout : public torch::autograd::Function<Dropout> {
 public:
  static torch::Tensor forward(AutogradContext* ctx, const torch::Tensor& x, double share) {
    const DropoutDraw draw = draw_dropout(share);
    ctx->saved_data["seed"] = static_cast<int64_t>(draw.seed);
    ctx->saved_data["share"] = share;
    return apply_dropout(x, draw);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& dy) {
    const DropoutDraw draw{static_cast<uint64_t>(ctx->saved_data["seed"].toInt()), ctx->saved_data["share"].toDouble()};
    return {apply_dropout(dy[0].contiguous(), draw), {}};
  }
};

}  // namespace

DropoutDraw draw_dropout(double share) {
  auto generator = at::detail::getDefaultCPUGenerator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return {generator.get<at::CPUGeneratorImpl>()->random64(), share};
}

torch::Tensor apply_dropout(const torch::Tensor& x, const DropoutDraw& draw) {
  if (draw.share <= 0) return x;
  if (draw.share >= 1) return torch::zeros_like(x);
  auto y = torch::empty_like(x);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  const auto bound = static_cast<uint32_t>(std::llround(draw.share * 4294967295.0));
  const auto scale = static_cast<float>(1 / (1 - draw.share));
  const int64_t count = x.numel();
  parallel_for(0, at::ceil_div(count, kBlock), 1, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const uint64_t bits = draw_key(draw.seed, static_cast<uint64_t>(block)).value();
      const int64_t begin = block * kBlock;
      const KeptElements kept{static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32), bound, scale};
      widest([&]() USAM_INLINE { keep(from + begin, to + begin, std::min(kBlock, count - begin), kept); });
    }
  });
  return y;
}

torch::Tensor dropout(const torch::Tensor& x, double share, bool is_training) {
  if (!is_training || share == 0) return x;
  return is_plain_fp32(x) ? Dropout::apply(x, share) : torch::dropout(x, share, is_training);
}

}  // namespace usam::nn
