#pragma once
// RUN/ranks/rank-K.json: what a rank is at, for people and programs that watch a run.
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "src/dist/communicator.h"
#include "trainer/memory.h"

namespace usam {

// Rewrites the file of one rank every few seconds while it lives, in a thread of its own: also while the main thread
// hangs, and without holding up the signs of life when the disk does.
//
// {"rank", "world", "host", "pid", "time", "step", "phase", "keys", "seconds", "operations", "memory"}: `time` in UTC,
// `step` that is under way from 1, `seconds` since the rank has been at it, `operations` with the other ranks that it
// has come to, `memory` {"host", "device"} in bytes, the most up to now.
class RankFile {
 public:
  // Writes at once. A file that cannot be written is warned about once.
  RankFile(const std::string& run, dist::Communicator& ranks, torch::Device device,
           std::chrono::milliseconds every = std::chrono::seconds(5));
  ~RankFile();  // writes a last time
  RankFile(const RankFile&) = delete;
  RankFile& operator=(const RankFile&) = delete;

 private:
  void write();

  std::string folder_, name_;
  dist::Communicator& ranks_;
  torch::Device device_;
  bool is_warned_ = false, ends_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace usam
