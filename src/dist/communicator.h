#pragma once
#include <torch/torch.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "src/dist/activity.h"

namespace usam::dist {

// An operation under way.
class Pending {
 public:
  virtual ~Pending() = default;
  // Returns when its result may be used; on a GPU, by work that is queued after this call.
  virtual void wait() = 0;
};

// The ranks of one run and what they say to each other. Every rank calls the same operations in the same order.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int64_t rank() const = 0;
  virtual int64_t world() const = 0;
  // Sum over the ranks, in place; the same bits on every rank. Shapes and dtypes agree.
  virtual void all_reduce(torch::Tensor& tensor) = 0;
  // Every rank's tensor, in rank order, without gradients. Shapes and dtypes agree.
  virtual std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) = 0;
  // Starts to gather every rank's `mine` (n) side by side in `all` (world n), in rank order, without gradients; mine
  // may be its own place in all. Both are dense, and left alone until the wait.
  virtual std::unique_ptr<Pending> start_gather(torch::Tensor& all, const torch::Tensor& mine) = 0;
  // Starts to sum `all` (world n) over the ranks, of which this one gets the stretch of its place in `mine` (n). Both
  // are dense, and left alone until the wait; all is then unspecified.
  virtual std::unique_ptr<Pending> start_scatter_sum(torch::Tensor& mine, torch::Tensor& all) = 0;
  // Returns when every rank has called it.
  virtual void barrier() = 0;
  // After a failure: which rank is lost and what it was at, in a sentence; "" where all are well. May wait a while.
  virtual std::string diagnosis() { return ""; }
  // What this rank is at, for those who watch it.
  ActivityMonitor& monitor() { return monitor_; }
  // Bytes that this rank has sent to others up to now, each operation counted as a ring of the ranks makes it.
  int64_t sent() const { return sent_; }
  // Counts an operation that takes a buffer of `bytes` bytes `rounds` times around the ring, each rank's share at a
  // time.
  void sends(int64_t bytes, int64_t rounds) { sent_ += rounds * bytes / world() * (world() - 1); }

 private:
  ActivityMonitor monitor_;
  std::atomic<int64_t> sent_ = 0;
};

// One rank, alone: nothing to do.
std::shared_ptr<Communicator> single_rank();
// `world` ranks that are threads of this process, for tests; one for each thread.
std::vector<std::shared_ptr<Communicator>> thread_ranks(int64_t world);

}  // namespace usam::dist
