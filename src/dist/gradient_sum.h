#pragma once
#include <torch/torch.h>

#include <memory>
#include <vector>

#include "src/dist/communicator.h"

namespace usam::dist {

// Sums the gradients of a step over the ranks. Built once, by every rank alike, for all parameters that are trained.
class GradientSum {
 public:
  virtual ~GradientSum() = default;
  // The next backward pass is the step's last, and reaches every parameter: gradients may leave for the other ranks
  // while it still computes the rest.
  virtual void expect_last_backward() {}
  // After the last backward pass: every parameter has a gradient, the sum over the ranks, with the same bits on each.
  virtual void finish() = 0;
  // Bytes of the buffers that are there all the time.
  virtual int64_t held_bytes() const { return 0; }
};

// One message with all gradients, after the backward pass; for any ranks.
std::unique_ptr<GradientSum> sum_at_once(std::vector<torch::Tensor> parameters, std::shared_ptr<Communicator> ranks);
// For processes: c10d::Reducer, in buckets of 25 MiB that travel during the backward pass. Other ranks: sum_at_once().
std::unique_ptr<GradientSum> sum_gradients(std::vector<torch::Tensor> parameters, std::shared_ptr<Communicator> ranks);

}  // namespace usam::dist
