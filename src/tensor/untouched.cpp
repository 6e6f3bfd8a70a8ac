#include "src/tensor/untouched.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace usam {
namespace {

constexpr size_t kLargePage = size_t{1} << 21;

std::atomic<int64_t> living = 0;

// As for torch's own tensors, which begin at a multiple of their size (c10/core/impl/alloc_cpu.cpp).
bool wants_large_pages() {
  const char* word = std::getenv("THP_MEM_ALLOC_ENABLE");
  return word && std::string_view(word) == "1";
}

}  // namespace

torch::Tensor untouched_zeros(at::IntArrayRef sizes, const torch::TensorOptions& options) {
  const size_t bytes = c10::multiply_integers(sizes) * options.dtype().itemsize(), whole = bytes + kLargePage;
  if (bytes < kLargePage || !options.device().is_cpu()) return torch::zeros(sizes, options);
  void* mapped = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return torch::zeros(sizes, options);  // says what is missing
  const auto address = reinterpret_cast<uintptr_t>(mapped);
  void* first = reinterpret_cast<void*>((address + kLargePage - 1) / kLargePage * kLargePage);
  if (wants_large_pages()) madvise(first, bytes, MADV_HUGEPAGE);
  living += static_cast<int64_t>(bytes);
  const auto free = [=](void*) {
    munmap(mapped, whole);
    living -= static_cast<int64_t>(bytes);
  };
  return torch::from_blob(first, sizes, free, options);
}

int64_t untouched_bytes() {
  return living;
}

}  // namespace usam
