#pragma once
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace usam {

// Bytes of tensors that this thread, and the backward passes that it starts, allocate while run() runs, less those that
// they give back: the most at a time, and what is left of them.
class PeakBytes {
 public:
  // `only`: counts the tensors of one kind of device.
  template <class Run>
  explicit PeakBytes(const Run& run, std::optional<c10::DeviceType> only = std::nullopt) {
    const auto report = std::make_shared<Report>(only);
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
    explicit Report(std::optional<c10::DeviceType> type) : only(type) {}
    void reportMemoryUsage(void*, int64_t bytes, size_t, size_t, c10::Device device) override {
      if (only && device.type() != *only) return;
      now += bytes;
      peak = std::max(peak, now);
    }
    bool memoryProfilingEnabled() const override { return true; }
    std::optional<c10::DeviceType> only;
    int64_t now = 0, peak = 0;
  };

  int64_t peak_ = 0, left_ = 0;
};

}  // namespace usam
