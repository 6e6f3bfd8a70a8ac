#pragma once
// What a trainer measures of itself before a run.
#include <cstdint>

namespace usam {

// One step of one micro-batch, update included.
struct Trial {
  double forward = 0, backward = 0, update = 0;  // seconds
  // Of tensors on the trainer's device: the most at a time beyond those that were there before. Gradients, which are
  // made anew in each step, are among them.
  int64_t bytes = 0;
};

// Bytes of the tensors that stay from step to step on this rank; of gradients those that the last step left.
struct Held {
  int64_t weights = 0, gradients = 0, optimizer = 0;
  int64_t trained = 0;  // of all trained values, wherever they lie
};

}  // namespace usam
