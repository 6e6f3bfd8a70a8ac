#pragma once
// Activation checkpointing (Chen et al. 2016, arXiv 1604.06174).
#include <torch/torch.h>

namespace usam {

// Of this share of the module's blocks, spread evenly, the backward pass keeps no more than what enters them: they run
// again, with the same dropout and under the same autocast, when their gradients are wanted. Blocks without a gradient
// run as before. To be called when it is settled what is trained, and before the module is distributed over ranks.
// The number of blocks.
int64_t recompute_blocks(torch::nn::Module& module, double share);

}  // namespace usam
