#pragma once
// What the processor's attention kernels share. B rows, H heads, T queries, S keys, K head width.
#include <ATen/ceil_div.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "src/nn/cpu_kernel.h"
#include "src/tensor/parallel.h"
#include "src/tensor/recompute.h"

namespace usam::nn {

inline constexpr int64_t kMostHeadWidth = 128;

// One head of one row; strides are from position to position, channels lie next to each other.
struct Head {
  const float *queries, *keys, *values;
  float* out;
  int64_t query_stride, key_stride, value_stride, out_stride;
  int64_t queries_count, keys_count, width;
};

// Memory that vectors are read from, cleared.
template <class T>
class VectorArray {
 public:
  explicit VectorArray(int64_t count) {
    constexpr size_t kLine = 64;
    memory_.reset(static_cast<T*>(std::aligned_alloc(kLine, at::round_up(count * sizeof(T), kLine))));
    if (!memory_) throw std::bad_alloc();
    std::fill_n(memory_.get(), count, T(0));
  }
  T* get() const { return memory_.get(); }
  T& operator[](int64_t i) const { return memory_.get()[i]; }

 private:
  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  std::unique_ptr<T, Free> memory_;
};

// Whether the kernels can read these as they lie: fp32 on a processor where no graph is made, now or when a block runs
// again, heads no wider than kMostHeadWidth.
inline bool are_plain_heads(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                            const torch::Tensor& values_BHSK) {
  const auto fits = [](const torch::Tensor& x) {
    return x.is_cpu() && x.scalar_type() == torch::kFloat && x.stride(3) == 1 && x.size(3) <= kMostHeadWidth;
  };
  return !torch::GradMode::is_enabled() && !will_run_again() && fits(queries_BHTK) && fits(keys_BHSK) &&
         fits(values_BHSK);
}

// (B, T, H * K): calls attend(head, workspace) for every head, with the thread's own Workspace(S, K). Of row b the
// first keys_B[b] keys are seen, at least one; int64, in host memory.
template <class Workspace, class Attend>
torch::Tensor attend_heads(const torch::Tensor& queries_BHTK, const torch::Tensor& keys_BHSK,
                           const torch::Tensor& values_BHSK, const torch::Tensor& keys_B, const Attend& attend) {
  const int64_t B = queries_BHTK.size(0), H = queries_BHTK.size(1), T = queries_BHTK.size(2), K = queries_BHTK.size(3);
  auto out_BTD = torch::empty({B, T, H * K}, queries_BHTK.options());
  if (out_BTD.numel() == 0) return out_BTD;
  const auto counts = keys_B.accessor<int64_t, 1>();
  const auto head_of = [](const torch::Tensor& x, int64_t b, int64_t h) {
    return x.const_data_ptr<float>() + b * x.stride(0) + h * x.stride(1);
  };
  float* out = out_BTD.data_ptr<float>();
  parallel_for(0, B * H, 1, [&](int64_t begin, int64_t end) {
    Workspace work(keys_BHSK.size(2), K);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / H, h = i % H;
      attend(Head{.queries = head_of(queries_BHTK, b, h),
                  .keys = head_of(keys_BHSK, b, h),
                  .values = head_of(values_BHSK, b, h),
                  .out = out + (b * T * H + h) * K,
                  .query_stride = queries_BHTK.stride(2),
                  .key_stride = keys_BHSK.stride(2),
                  .value_stride = values_BHSK.stride(2),
                  .out_stride = H * K,
                  .queries_count = T,
                  .keys_count = std::max<int64_t>(1, counts[b]),
                  .width = K},
             work);
    }
  });
  return out_BTD;
}

}  // namespace usam::nn
