#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace usam::dist {

// Signs of life of the ranks, on a board in their store: a rank that died cannot say so, and the others may wait for it
// inside a collective. A thread renews this rank's sign and watches the next rank's; what it finds is for all to read.
// A process that still hangs when the patience is over once more is ended, with a message that names the lost rank.
class Heartbeat {
 public:
  // `patience`: a rank counts as lost when its sign has stood still for so long; it is renewed ten times as often.
  Heartbeat(c10::intrusive_ptr<c10d::Store> board, int64_t rank, int64_t world, std::chrono::milliseconds patience);
  ~Heartbeat();  // leaves, which the others can tell from dying
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // What this rank is at, for the others' messages: "step 12, forward".
  void doing(const std::string& what);
  // After a failure: waits, for one and a half times the patience at most, until it is known which rank is lost or has
  // left, and what it was at. "" where all are well.
  std::string diagnosis();

 private:
  void beat();                                  // renews this rank's sign
  void watch();                                 // looks at the next rank's
  void note_loss(const std::string& sentence);  // keeps the first one

  c10::intrusive_ptr<c10d::Store> board_;
  int64_t rank_, world_;
  std::chrono::milliseconds patience_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::string doing_ = "the start", loss_;
  int64_t beats_ = 0;
  bool ends_ = false;
  // The next rank's sign and since when it has stood so.
  std::string seen_;
  std::chrono::steady_clock::time_point seen_at_;
  std::thread thread_;
};

}  // namespace usam::dist
