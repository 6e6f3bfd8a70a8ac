#pragma once
// How much memory this process has needed.
#include <ATen/DeviceAccelerator.h>
#include <malloc.h>
#include <sys/resource.h>
#include <torch/torch.h>
#include <unistd.h>

#include <fstream>

#include "src/tensor/untouched.h"

namespace usam {

// The most that it held at any time, in bytes.
struct PeakMemory {
  int64_t host = 0, device = 0;  // device: of its tensors; 0 on the CPU
};

inline PeakMemory peak_memory(torch::Device device) {
  PeakMemory peak;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  peak.host = usage.ru_maxrss * 1024;
  if (device.is_cuda()) {
    auto* allocator = at::getDeviceAllocator(device.type());
    const auto index = device.has_index() ? device.index() : c10::DeviceIndex(0);
    if (allocator->initialized()) peak.device = allocator->getDeviceStats(index).allocated_bytes[0].peak;
  }
  return peak;
}

// What of this process lies in host memory now, in bytes.
struct ResidentMemory {
  int64_t all = 0;
  int64_t own = 0;  // of no file: mapped weights are not in it
};

inline ResidentMemory resident_memory() {
  int64_t size = 0, resident = 0, shared = 0;
  std::ifstream("/proc/self/statm") >> size >> resident >> shared;
  const int64_t page = sysconf(_SC_PAGESIZE);
  return {resident * page, (resident - shared) * page};
}

// What programs keep of freed memory for the next step (program.cpp) becomes holes between what lives, more from step
// to step. Gives the pages of what is free back to the system where they are `least` bytes or more, and where getting
// as many again takes less than a twentieth of a step of `step_seconds`.
inline void give_back_spare_memory(double step_seconds, int64_t least = int64_t{1} << 30) {
#if defined(__GLIBC__)
  constexpr double kSecondsByByte = 0.25 / (1 << 30);  // page faults of two threads on virtual cores of an AMD EPYC
  const int64_t own = resident_memory().own;
  if (own < least) return;
  const auto heap = mallinfo2();
  const int64_t spare = own - static_cast<int64_t>(heap.uordblks + heap.hblkhd) - untouched_bytes();
  if (spare >= least && static_cast<double>(spare) * kSecondsByByte < step_seconds / 20) malloc_trim(0);
#endif
}

}  // namespace usam
