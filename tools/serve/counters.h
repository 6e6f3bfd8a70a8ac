#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace usam::serve {

// What GET /metrics tells. Thread-safe.
struct Counters {
  std::atomic<int64_t> rows = 0, steps = 0, tokens = 0, under_way = 0, upload_bytes = 0;

  // A request that was answered, with audio of so many seconds, after so long.
  void answered(const std::string& endpoint, int status, double audio_seconds, double took_seconds);
  // Prometheus' text format; `waiting`: requests in the queue.
  std::string text(int64_t waiting) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;  // by endpoint and status
  std::map<std::string, double> took_;                       // by endpoint
  double audio_seconds_ = 0;
};

}  // namespace usam::serve
