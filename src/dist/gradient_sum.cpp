#include "src/dist/gradient_sum.h"

#include <torch/csrc/distributed/c10d/reducer.hpp>

#include "src/dist/process_ranks.h"

namespace usam::dist {
namespace {

class SumAtOnce final : public GradientSum {
 public:
  SumAtOnce(std::vector<torch::Tensor> parameters, std::shared_ptr<Communicator> ranks)
      : parameters_(std::move(parameters)), ranks_(std::move(ranks)) {}

  void finish() override {
    torch::NoGradGuard no_grad;
    std::vector<torch::Tensor> flat;
    for (torch::Tensor& parameter : parameters_) {
      if (!parameter.grad().defined()) parameter.mutable_grad() = torch::zeros_like(parameter);
      flat.push_back(parameter.grad().reshape(-1));
    }
    if (ranks_->world() == 1) return;
    torch::Tensor all = torch::cat(flat);
    ranks_->all_reduce(all);
    int64_t at = 0;
    for (torch::Tensor& parameter : parameters_) {
      parameter.mutable_grad().copy_(all.narrow(0, at, parameter.numel()).view_as(parameter));
      at += parameter.numel();
    }
  }

 private:
  std::vector<torch::Tensor> parameters_;
  std::shared_ptr<Communicator> ranks_;
};

// Without a hook the reducer divides by the number of ranks; usam's terms are sums over counts that all ranks share.
class SumHook final : public c10d::CppCommHookInterface<std::shared_ptr<ProcessRanks>> {
 public:
  using CppCommHookInterface::CppCommHookInterface;
  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    std::vector<torch::Tensor> tensors = {bucket.getBufferRef()};
    state_->monitor().comes();
    state_->sends(static_cast<int64_t>(tensors[0].nbytes()), 2);
    return state_->group()->allreduce(tensors)->getFuture();
  }
};

// A reducer whose buckets are never rebuilt: they would differ between the first step after a start and later ones, and
// so would the sums' last bits. It keeps the order of every backward pass for the rebuilding all the same.
class FixedReducer final : public c10d::Reducer {
 public:
  using Reducer::Reducer;
  void forget_order() {
    rebuilt_params_.clear();
    rebuilt_param_indices_.clear();
  }
};

class Buckets final : public GradientSum {
 public:
  Buckets(const std::vector<torch::Tensor>& parameters, const std::shared_ptr<ProcessRanks>& ranks) : ranks_(ranks) {
    const std::vector<bool> sparse(parameters.size(), false);
    const auto first = static_cast<size_t>(c10d::kDefaultFirstBucketBytes);
    const auto cap = static_cast<size_t>(c10d::kDefaultBucketBytesCap);
    // Backward passes reach the last parameters first.
    auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, {first, cap}, sparse));
    std::reverse(buckets.begin(), buckets.end());
    reducer_ = std::make_unique<FixedReducer>(
        parameters, std::move(buckets), ranks->group(), sparse, c10d::kDefaultBucketBytesCap,
        /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/false, std::unordered_map<size_t, std::string>{},
        c10d::kDefaultFirstBucketBytes, /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
        std::vector<int64_t>{});
    reducer_->register_comm_hook(std::make_unique<SumHook>(ranks));
    for (const torch::Tensor& parameter : parameters) bytes_ += static_cast<int64_t>(parameter.nbytes());
  }

  void expect_last_backward() override { reducer_->prepare_for_backward({}); }
  // The backward pass has waited for the last bucket, with whose departure its own work was done.
  void finish() override {
    ranks_->monitor().waited_for(ranks_->monitor().view().stood);
    reducer_->forget_order();
  }

  int64_t held_bytes() const override { return bytes_; }

 private:
  std::shared_ptr<ProcessRanks> ranks_;
  int64_t bytes_ = 0;  // of all buckets
  std::unique_ptr<FixedReducer> reducer_;
};

}  // namespace

std::unique_ptr<GradientSum> sum_at_once(std::vector<torch::Tensor> parameters, std::shared_ptr<Communicator> ranks) {
  return std::make_unique<SumAtOnce>(std::move(parameters), std::move(ranks));
}

std::unique_ptr<GradientSum> sum_gradients(std::vector<torch::Tensor> parameters, std::shared_ptr<Communicator> ranks) {
  if (auto processes = std::dynamic_pointer_cast<ProcessRanks>(ranks))
    return std::make_unique<Buckets>(parameters, processes);
  return sum_at_once(std::move(parameters), std::move(ranks));
}

}  // namespace usam::dist
