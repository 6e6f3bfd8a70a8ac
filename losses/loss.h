#pragma once
#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

namespace usam {

// Counts that the terms of a step are divided by ("tokens", "samples", ...), summed over micro-batches and ranks before
// the first backward.
using Counts = std::map<std::string, double>;

// One named term of the loss as a sum over its own items; the step's loss is the sum over terms of
// weight * sum / global count.
struct Term {
  std::string name;
  torch::Tensor sum;  // scalar
  std::string count;  // key into Counts
  double weight = 1;
};

// A figure that is logged beside the loss, as a sum and a count (its mean is logged). "TERM/NAME": the term's own, over
// a part of the items, those of a task for example.
struct Metric {
  std::string name;
  double sum = 0;
  double count = 0;
};

}  // namespace usam
