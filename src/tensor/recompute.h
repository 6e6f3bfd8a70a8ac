#pragma once
// Activation checkpointing (Chen et al. 2016, arXiv 1604.06174).
#include <torch/torch.h>

#include <memory>
#include <vector>

namespace usam {

class RecomputedBlock;

// Whether this thread is in the first run of a block that runs again for its gradients. A kernel without a backward
// pass leaves both runs to one that has it, so that they find the same values.
bool will_run_again();

// A module's blocks, of which some keep for the backward pass no more than what enters them: they run again, with the
// same dropout and under the same autocast, when their gradients are wanted. Blocks without a gradient run as before.
class RecomputedBlocks {
 public:
  // To be made when it is settled what is trained, and before the module is distributed over ranks. None is chosen yet.
  explicit RecomputedBlocks(torch::nn::Module& module);
  int64_t size() const { return std::ssize(blocks_); }
  // This many of them, spread evenly.
  void choose(int64_t count);
  // Leaves aside those that no gradient has gone through: size() and choose() are of the others from now on.
  void keep_used();

 private:
  std::vector<std::shared_ptr<RecomputedBlock>> blocks_;
};

}  // namespace usam
