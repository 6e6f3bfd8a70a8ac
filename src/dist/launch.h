#pragma once
#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace usam::dist {

// What the launcher said of this process.
struct Launch {
  int64_t rank = 0, world = 1;
  int64_t local_rank = 0, local_world = 1;  // among the ranks of this machine
  std::string host;                         // where the ranks meet; empty when there is one rank
  uint16_t port = 0;
  // torchrun's agent already serves the store at host:port, so that no rank may be its server; else rank 0 is.
  bool agent_serves = false;
  // What tells this life of the run from earlier ones, of which the agent's store may still hold what they wrote.
  std::string life;
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// From torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT; the local ones
// may be absent on a single machine), else from SLURM's when srun started this process as one of several tasks, else
// one rank. UserError lists every variable that is absent or wrong.
Launch read_launch(const Environment& environment);
// The same from the process's own environment.
Launch read_launch();

// The device of this rank: the GPU of its place on the machine, or the CPU where no GPU is visible. UserError when the
// machine has more ranks than GPUs, unless one GPU is visible to each.
torch::Device local_device(const Launch& launch);

// The first host of a SLURM node list, "a[03-07,12],b" -> "a03".
std::string first_host(const std::string& nodes);

}  // namespace usam::dist
