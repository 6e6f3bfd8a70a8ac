#pragma once
// How much memory this process has needed.
#include <ATen/DeviceAccelerator.h>
#include <malloc.h>
#include <sys/resource.h>
#include <torch/torch.h>
#include <unistd.h>

#include <fstream>

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
inline int64_t resident_bytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// What programs keep of freed memory for the next step (program.cpp) becomes holes between what lives, more from step
// to step: where these are more than `spare` bytes, their pages go back to the system.
inline void give_back_spare_memory(size_t spare = size_t{3} << 29) {
#if defined(__GLIBC__)
  if (mallinfo2().fordblks > spare) malloc_trim(0);
#endif
}

}  // namespace usam
