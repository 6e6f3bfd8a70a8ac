#pragma once
// Counts the floating-point work of what torch computes, by the sizes of the operators' inputs.
#include <torch/torch.h>

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace usam::bench {

// A matrix product (M, K) x (K, N).
struct Product {
  int64_t m = 0, n = 0, k = 0;
  double work() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
  bool operator<(const Product& o) const { return std::tie(m, n, k) < std::tie(o.m, o.n, o.k); }
};

struct Work {
  std::map<std::string, double> by_operator;  // floating-point operations; a multiplication with its addition is two
  std::map<Product, int64_t> products;        // the plain ones, and how often each was computed
  double total() const;
};

// From its making to its end, all threads of the process: matrix products (plain, batched, with int8 weights),
// convolutions and attention, forward and backward. Element by element operators, norms, softmax outside of attention
// and the optimizer are left out: they are bound by memory. A causal attention counts the pairs that it may look at;
// the backward pass of a fused attention is five products where the forward pass is two. One at a time.
class WorkCounter {
 public:
  WorkCounter();
  ~WorkCounter();
  WorkCounter(const WorkCounter&) = delete;
  WorkCounter& operator=(const WorkCounter&) = delete;
  // What was counted so far, which starts again from nothing.
  Work take();

 private:
  uint64_t handle_;
};

}  // namespace usam::bench
