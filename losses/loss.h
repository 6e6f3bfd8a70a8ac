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

// A number that the host knows, or a scalar that the device is still at: asking for it as a double waits.
class Amount {
 public:
  Amount(double known = 0) : known_(known) {}                                         // NOLINT: a double is one
  Amount(const torch::Tensor& computed) : computed_(computed.to(torch::kFloat64)) {}  // NOLINT: so is a scalar

  Amount& operator+=(const Amount& other) {
    known_ += other.known_;
    if (other.computed_.defined()) computed_ = computed_.defined() ? computed_ + other.computed_ : other.computed_;
    return *this;
  }
  double known() const { return known_; }
  const torch::Tensor& computed() const { return computed_; }  // what comes to the known; undefined where nothing does
  operator double() const { return computed_.defined() ? known_ + computed_.item<double>() : known_; }  // NOLINT

 private:
  double known_ = 0;
  torch::Tensor computed_;
};

// A figure that is logged beside the loss, as a sum and a count (its mean is logged). "TERM/NAME": the term's own, over
// a part of the items, those of a task for example.
struct Metric {
  std::string name;
  Amount sum = 0;
  Amount count = 0;
};

}  // namespace usam
