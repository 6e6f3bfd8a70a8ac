#pragma once
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "src/dist/communicator.h"
#include "src/dist/heartbeat.h"
#include "src/dist/launch.h"

namespace usam::dist {

// Ranks that are processes, over c10d: Gloo for tensors on the CPU and, in a CUDA build on a machine with GPUs, NCCL
// for those on the rank's GPU. GLOO_SOCKET_IFNAME picks Gloo's network interface. A rank that dies makes the operations
// of the others throw, or ends them (heartbeat.h).
class ProcessRanks final : public Communicator {
 public:
  // Meets the others; returns when all are connected. UserError names host and port when they are not reached in time.
  explicit ProcessRanks(const Launch& launch, const Patience& patience = {});
  int64_t rank() const override { return rank_; }
  int64_t world() const override { return world_; }
  void all_reduce(torch::Tensor& tensor) override;
  std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) override;
  std::unique_ptr<Pending> start_gather(torch::Tensor& all, const torch::Tensor& mine) override;
  std::unique_ptr<Pending> start_scatter_sum(torch::Tensor& mine, torch::Tensor& all) override;
  void barrier() override;
  std::string diagnosis() override { return heartbeat_->diagnosis(); }
  // For c10d::Reducer.
  const c10::intrusive_ptr<c10d::ProcessGroup>& group() const { return group_; }

 private:
  c10::intrusive_ptr<c10d::Backend> backend_of(const torch::Tensor& tensor) const;

  int64_t rank_, world_;
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  std::unique_ptr<Heartbeat> heartbeat_;
};

// The ranks of this run: processes where the launcher started several, else one alone.
std::shared_ptr<Communicator> connect(const Launch& launch, const Patience& patience = {});

}  // namespace usam::dist
