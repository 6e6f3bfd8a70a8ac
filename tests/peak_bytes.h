#pragma once
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>

namespace usam::test {

// Bytes of tensors that this thread allocates while run() runs, less those that it gives back: the most at a time, and
// what is left of them.
class PeakBytes {
 public:
  template <class Run>
  explicit PeakBytes(const Run& run) {
    const auto report = std::make_shared<Report>();
    {
      const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, report);
      run();
    }
    peak_ = report->peak, left_ = report->now;
  }
  int64_t peak() const { return peak_; }
  int64_t left() const { return left_; }

 private:
  struct Report final : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device) override {
      now += bytes;
      peak = std::max(peak, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t now = 0, peak = 0;
  };

  int64_t peak_ = 0, left_ = 0;
};

}  // namespace usam::test
