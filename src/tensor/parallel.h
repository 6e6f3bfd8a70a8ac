#pragma once
#include <c10/util/FunctionRef.h>

#include <cstdint>

namespace usam {

// Calls loop(first, last) for stretches that make up [begin, end), on the threads of torch's operators at once; in the
// caller's alone where there is one, where they are no more than `grain`, and inside such a loop. What a stretch throws
// is thrown when all have ended. The stretches depend on the number of threads alone.
//
// at::parallel_for does the same only for sources that are compiled with the OpenMP of torch's compiler; for all others
// it quietly runs everything in the caller's thread.
void parallel_for(int64_t begin, int64_t end, int64_t grain, c10::function_ref<void(int64_t, int64_t)> loop);

}  // namespace usam
