#pragma once
// What every communicator must do, checked from the inside of one rank: the same for threads and processes.
#include <cmath>
#include <limits>
#include <string>

#include "src/dist/communicator.h"
#include "src/dist/gradient_sum.h"

namespace usam::test {

// "" or what went wrong. With `digest` the sums of awkward floats, to be compared over the ranks bit by bit.
inline std::string exchange(dist::Communicator& ranks, std::string* digest = nullptr) {
  const int64_t rank = ranks.rank(), world = ranks.world(), total = world * (world - 1) / 2;
  auto counts = torch::full({3}, rank, torch::kLong);
  ranks.all_reduce(counts);
  if (!torch::equal(counts, torch::full({3}, total, torch::kLong))) return "all_reduce of int64";

  auto strided = torch::full({2, 3}, rank + 0.5, torch::kDouble).t();
  ranks.all_reduce(strided);
  if (!torch::equal(strided, torch::full({3, 2}, total + 0.5 * world, torch::kDouble)))
    return "all_reduce of a transpose";

  auto scalar = torch::tensor(1.0);
  ranks.all_reduce(scalar);
  if (scalar.item<double>() != static_cast<double>(world)) return "all_reduce of a scalar";

  auto parameter = torch::full({2}, rank, torch::kFloat).requires_grad_();
  ranks.all_reduce(parameter);
  if (parameter.grad_fn() || !parameter.requires_grad()) return "all_reduce left a gradient on a parameter";

  torch::manual_seed(rank);
  auto awkward = torch::randn({1001}) * torch::pow(10, torch::randn({1001}) * 4);
  ranks.all_reduce(awkward);
  if (digest) digest->assign(static_cast<const char*>(awkward.data_ptr()), awkward.nbytes());

  const auto mine = torch::arange(6, torch::kLong).reshape({2, 3}).t() + 10 * rank;
  auto all = ranks.all_gather(mine);
  if (static_cast<int64_t>(all.size()) != world) return "all_gather gave another number of tensors";
  for (int64_t from = 0; from < world; ++from)
    if (!torch::equal(all[static_cast<size_t>(from)] - 10 * from, mine - 10 * rank)) return "all_gather";

  auto side_by_side = torch::full({2 * world}, -1.0, torch::kFloat);
  auto own = side_by_side.narrow(0, 2 * rank, 2).fill_(rank + 0.5);
  ranks.start_gather(side_by_side, own)->wait();
  if (!torch::equal(side_by_side, (torch::arange(world) + 0.5).repeat_interleave(2))) return "start_gather in place";
  auto stretch = torch::empty({2});
  auto summed = torch::arange(2 * world, torch::kFloat) + static_cast<double>(rank);
  ranks.start_scatter_sum(stretch, summed)->wait();
  const auto whole = torch::arange(2 * world, torch::kFloat) * static_cast<double>(world) + static_cast<double>(total);
  if (!torch::equal(stretch, whole.narrow(0, 2 * rank, 2))) return "start_scatter_sum";
  ranks.barrier();
  return "";
}

// The same for the gradients of two micro-batches, in two steps; one parameter fills several buckets.
inline std::string sum_gradients(const std::shared_ptr<dist::Communicator>& ranks) {
  const int64_t rank = ranks->rank(), world = ranks->world();
  std::vector<torch::Tensor> parameters;
  for (const int64_t size : {6, 8'000'000, 1, 300'000}) parameters.push_back(torch::zeros({size}).requires_grad_());
  const auto sum = dist::sum_gradients(parameters, ranks);
  for (int64_t step = 0; step < 2; ++step) {
    for (auto& parameter : parameters) parameter.mutable_grad() = torch::Tensor();
    for (int64_t micro_batch = 0; micro_batch < 2; ++micro_batch) {
      torch::Tensor loss = torch::zeros({});
      for (const auto& parameter : parameters) loss = loss + (1 + rank + 10 * micro_batch + step) * parameter.sum();
      if (micro_batch == 1) sum->expect_last_backward();
      loss.backward();
    }
    sum->finish();
    const int64_t expected = 2 * world * (1 + step) + world * (world - 1) + 10 * world;
    for (const auto& parameter : parameters)
      if (!torch::equal(parameter.grad(), torch::full_like(parameter, expected))) return "sum of gradients";
  }
  return "";
}

}  // namespace usam::test
