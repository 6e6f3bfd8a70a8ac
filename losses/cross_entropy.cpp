// N supervised positions, D width of the hidden states, V vocabulary.
#include "losses/cross_entropy.h"

#include <algorithm>
#include <vector>

#include "losses/full_precision.h"
#include "src/tensor/leaves.h"

namespace usam::losses {
namespace {

torch::Tensor losses_of(const torch::Tensor& logits_NV, const torch::Tensor& targets_N) {
  const FullPrecision guard;
  return at::cross_entropy_loss(logits_NV.to(torch::kFloat), targets_N, {}, at::Reduction::None);
}

struct Chunked {
  const Head& head;
  const torch::Tensor& targets_N;
  int64_t rows;            // at a time
  torch::Tensor losses_N;  // filled in on the way

  // Calls work(rows of hidden, their targets, where they begin).
  template <class Work>
  void each(const torch::Tensor& hidden_ND, const Work& work) const {
    for (int64_t begin = 0; begin < hidden_ND.size(0); begin += rows) {
      const int64_t count = std::min(rows, hidden_ND.size(0) - begin);
      work(hidden_ND.narrow(0, begin, count), targets_N.narrow(0, begin, count), begin);
    }
  }
};

// The loss, with its gradients made on the way.
class ChunkedSum : public torch::autograd::Function<ChunkedSum> {
 public:
  // `inputs`: the hidden states, then what the head trains.
  static torch::Tensor forward(torch::autograd::AutogradContext* context, torch::TensorList inputs,
                               const Chunked* chunked) {
    const auto& hidden_ND = inputs[0];
    auto sum = torch::zeros({}, hidden_ND.options().dtype(torch::kFloat));
    torch::autograd::variable_list gradients = {torch::empty_like(hidden_ND)};
    for (size_t i = 1; i < inputs.size(); ++i) gradients.push_back(torch::zeros_like(inputs[i]));
    chunked->each(hidden_ND, [&](const torch::Tensor& rows_nD, const torch::Tensor& targets_n, int64_t begin) {
      auto of = inputs.vec();
      of[0] = rows_nD.detach().requires_grad_();
      torch::autograd::variable_list made;
      {
        const torch::AutoGradMode graph(true);
        const auto losses_n = losses_of(chunked->head(of[0]), targets_n), part = losses_n.sum();
        chunked->losses_N.narrow(0, begin, losses_n.size(0)).copy_(losses_n.detach());
        sum += part.detach();
        const FullPrecision as_in_backward;
        made = torch::autograd::grad({part}, of);
      }
      gradients[0].narrow(0, begin, rows_nD.size(0)).copy_(made[0]);
      for (size_t i = 1; i < inputs.size(); ++i) gradients[i].add_(made[i]);
    });
    context->save_for_backward(gradients);
    return sum;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& outer) {
    auto gradients = context->get_saved_variables();
    // The factor is one over the step's count of tokens, which few bits would round.
    for (auto& gradient : gradients) {
      const auto type = gradient.scalar_type();
      gradient = (gradient.to(at::promote_types(type, torch::kFloat)) * outer[0]).to(type);
    }
    gradients.emplace_back();
    return gradients;
  }
};

// An empty product tells the vocabulary's size and what the head trains.
struct Probe {
  int64_t vocabulary;
  std::vector<torch::Tensor> trained;
};
Probe probe(const torch::Tensor& hidden_ND, const Head& head) {
  const auto logits_NV = head(hidden_ND.detach().narrow(0, 0, 0));
  return {logits_NV.size(1), leaves_of(logits_NV)};
}

}  // namespace

void describe(Fields& f, CrossEntropyConfig& c) {
  f("weight", c.weight, "weight of the cross-entropy over supervised tokens").at_least(0);
  f("logits_mib", c.logits_mib,
    "memory that logits take at a time, MiB; their loss is summed in chunks. 0: all at once")
      .at_least(0)
      .resumable();
}

Term cross_entropy(const torch::Tensor& logits_NV, const torch::Tensor& targets_N, const CrossEntropyConfig& config,
                   torch::Tensor* each_N) {
  const auto losses_N = losses_of(logits_NV, targets_N);
  if (each_N) *each_N = losses_N.detach();
  return {"ce", losses_N.sum(), "tokens", config.weight};
}

Term cross_entropy(const torch::Tensor& hidden_ND, const Head& head, const torch::Tensor& targets_N,
                   const CrossEntropyConfig& config, torch::Tensor* each_N) {
  auto [vocabulary, inputs] = probe(hidden_ND, head);
  const int64_t row_bytes = std::max<int64_t>(1, vocabulary) * static_cast<int64_t>(sizeof(float));
  const Chunked chunked{head, targets_N, std::max<int64_t>(1, config.logits_mib * (int64_t{1} << 20) / row_bytes),
                        torch::zeros({hidden_ND.size(0)}, hidden_ND.options().dtype(torch::kFloat))};
  if (config.logits_mib == 0 || hidden_ND.size(0) <= chunked.rows)
    return cross_entropy(head(hidden_ND), targets_N, config, each_N);
  torch::Tensor sum;
  if (torch::GradMode::is_enabled() && (hidden_ND.requires_grad() || !inputs.empty())) {
    inputs.insert(inputs.begin(), hidden_ND);
    sum = ChunkedSum::apply(torch::TensorList(inputs), &chunked);
  } else {
    chunked.each(hidden_ND, [&](const torch::Tensor& rows_nD, const torch::Tensor& targets_n, int64_t begin) {
      chunked.losses_N.narrow(0, begin, rows_nD.size(0)).copy_(losses_of(head(rows_nD), targets_n).detach());
    });
    sum = chunked.losses_N.sum();
  }
  if (each_N) *each_N = chunked.losses_N;
  return {"ce", sum, "tokens", config.weight};
}

}  // namespace usam::losses
