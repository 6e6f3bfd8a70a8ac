#include "src/tensor/parallel.h"

#include <ATen/Parallel.h>
#include <ATen/ceil_div.h>
#include <c10/util/ParallelGuard.h>

#include <algorithm>
#include <atomic>
#include <exception>

// What `#pragma omp parallel` becomes (the GNU OpenMP library's manual, "Implementing PARALLEL construct"), so that
// torch and we have one set of threads, whatever compiles us. 0 threads: as many as omp_set_num_threads() said, which
// torch::set_num_threads() calls.
extern "C" {
void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags);
int omp_get_num_threads();
int omp_get_thread_num();
}

namespace usam {
namespace {

struct Loop {
  int64_t begin, end, grain;
  c10::function_ref<void(int64_t, int64_t)> body;
  std::atomic_flag has_failed = ATOMIC_FLAG_INIT;
  std::exception_ptr failure;
};

// This thread's stretch.
void run_stretch(void* data) {
  Loop& loop = *static_cast<Loop*>(data);
  const int64_t count = loop.end - loop.begin;
  const int64_t threads = std::min<int64_t>(omp_get_num_threads(), at::ceil_div(count, loop.grain));
  const int64_t stretch = at::ceil_div(count, threads), first = loop.begin + omp_get_thread_num() * stretch;
  if (first >= loop.end) return;
  try {
    const c10::ParallelGuard inside(true);
    loop.body(first, std::min(loop.end, first + stretch));
  } catch (...) {
    if (!loop.has_failed.test_and_set()) loop.failure = std::current_exception();
  }
}

}  // namespace

void parallel_for(int64_t begin, int64_t end, int64_t grain, c10::function_ref<void(int64_t, int64_t)> body) {
  if (begin >= end) return;
  Loop loop{begin, end, std::max<int64_t>(1, grain), body, {}, {}};
  if (end - begin <= loop.grain || at::get_num_threads() == 1 || at::in_parallel_region()) return body(begin, end);
  GOMP_parallel(run_stretch, &loop, 0, 0);
  if (loop.failure) std::rethrow_exception(loop.failure);
}

}  // namespace usam
