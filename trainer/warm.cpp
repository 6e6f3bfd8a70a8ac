// Trying the micro-batches that take most memory before anything is trained.
#include <limits>
#include <map>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/dist/gather.h"
#include "src/tensor/peak_bytes.h"
#include "src/tensor/rng.h"
#include "trainer/budget.h"
#include "trainer/health.h"
#include "trainer/memory.h"
#include "trainer/stopwatch.h"
#include "trainer/trainer.h"

namespace usam {
namespace {

// What a forward pass in training mode changes beside gradients: put back when it goes.
class Statistics {
 public:
  explicit Statistics(Recipe& recipe) {
    for (const auto& item : recipe.module().named_buffers()) keep(item.value());
    for (const auto& [name, tensor] : recipe.statistics()) keep(tensor);
  }
  ~Statistics() {
    torch::NoGradGuard no_grad;
    for (auto& [tensor, before] : kept_) tensor.copy_(before);
  }
  Statistics(const Statistics&) = delete;
  Statistics& operator=(const Statistics&) = delete;

 private:
  void keep(const torch::Tensor& tensor) { kept_.emplace_back(tensor, tensor.detach().clone()); }
  std::vector<std::pair<torch::Tensor, torch::Tensor>> kept_;
};

// What tensors take, each piece of memory counted once.
class Memory {
 public:
  void add(const torch::Tensor& tensor) {
    if (tensor.defined())
      storages_[tensor.storage().unsafeGetStorageImpl()] = static_cast<int64_t>(tensor.storage().nbytes());
  }
  int64_t bytes() const {
    int64_t sum = 0;
    for (const auto& [storage, bytes] : storages_) sum += bytes;
    return sum;
  }

 private:
  std::map<const void*, int64_t> storages_;
};

// A device's memory is too small for a micro-batch.
class DoesNotFit : public UserError {
 public:
  using UserError::UserError;
};

}  // namespace

// Every rank runs the same ones, so that all know. Training afterwards has the same bits as without.
void Trainer::warm() {
  if (!parts_.train.worst) return;
  at("the longest micro-batches", {}, 10);
  const std::vector<data::Batch> batches = parts_.train.worst(state_.cursor);
  const Statistics statistics(*parts_.recipe);
  for (const data::Batch& batch : batches)
    if (batch.size() > 0) try_memory(batch);
  interval_ = IntervalClock(parts_.ranks->sent());
}

// Forward and backward pass of a step that is this micro-batch alone, up to the end of its gradients' exchange. With
// `as_last` it goes twice where steps have several micro-batches: the last one finds the gradients of those before.
void Trainer::pass(const data::Batch& batch, Trial& trial, bool as_last) {
  try {
    const Counts counts = sum_over_ranks(parts_.recipe->count(batch), *parts_.ranks);
    const auto forward_pass = [&] {
      seed_default_generators(draw_key(state_.seed, "warm"));
      at("forward", batch.keys);
      torch::Tensor loss = touch(weighted_loss(forward(batch).terms, counts), parameters_);
      loss.item();  // waits for the device
      return loss;
    };
    parallel_->enter();
    parallel_->clear_gradients();
    if (as_last && state_.global_micro_batches > parts_.ranks->world()) backward(forward_pass(), /*is_last=*/false);
    const Stopwatch clock;
    const torch::Tensor loss = forward_pass();
    trial.forward = clock.seconds();
    backward(loss, /*is_last=*/true);
    parallel_->finish();
    loss.item();
    trial.backward = clock.seconds() - trial.forward;
  } catch (const std::exception& e) {
    if (!is_out_of_memory(e)) throw;
    throw DoesNotFit(fmt::format(
        "A micro-batch of epoch {} with {} samples and {:.1f} s of audio does not fit into "
        "the memory of {}. Lower data.batch, or data.max_seconds where few clips are that long; where long rows take "
        "more than their share, give data.batch a quadratic term. Its samples: {}. The error was: {}",
        batch.cursor.epoch, batch.size(), batch.audio_seconds, parts_.device.str(), join_words(batch.keys), e.what()));
  }
}

void Trainer::fit_memory() {
  if (config_.recompute_to_gib == 0 || !parts_.train.worst) return;
  at("the choice of blocks to recompute", {}, 10);
  const std::vector<data::Batch> batches = parts_.train.worst(state_.cursor);
  const Statistics statistics(*parts_.recipe);
  const Held held = this->held();
  // Of the rank that needs most.
  const auto need = [&](int64_t count) {
    recomputed_->choose(count);
    int64_t most = 0;
    for (const data::Batch& batch : batches) {
      const PeakBytes memory(
          [&] {
            Trial trial;
            pass(batch, trial, /*as_last=*/true);
            parallel_->clear_gradients();
            parallel_->leave();
          },
          parts_.device.type());
      most = std::max(most, memory.peak());
    }
    return static_cast<int64_t>(
        dist::most_of_ranks(static_cast<double>(held.weights + held.optimizer + most), *parts_.ranks));
  };
  // What does not fit while fewer blocks are tried is above any budget. Several ranks cannot go on from there.
  const auto try_need = [&](int64_t count) {
    try {
      return need(count);
    } catch (const DoesNotFit&) {
      if (parts_.ranks->world() > 1 || count == recomputed_->size()) throw;
      parallel_->clear_gradients();
      parallel_->leave();
      return std::numeric_limits<int64_t>::max();
    }
  };
  need(recomputed_->size());
  recomputed_->keep_used();
  int64_t needed = 0;
  const auto budget = static_cast<int64_t>(config_.recompute_to_gib * (1 << 30));
  const auto chosen =
      least_within(recomputed_->size(), budget, [&](int64_t count) { return needed = try_need(count); });
  if (!chosen)
    user_error(
        "trainer.recompute_to_gib: the micro-batches that take most memory need {} with all {} blocks computed again, "
        "{} "
        "of it for weights and the optimizer; {} are allowed. Lower data.batch or data.max_seconds, or allow more.",
        human_bytes(needed), recomputed_->size(), human_bytes(held.weights + held.optimizer), human_bytes(budget));
  needed = need(*chosen);
  interval_ = IntervalClock(parts_.ranks->sent());
  if (is_first())
    log::info("{} of {} blocks are computed again in the backward pass, so that tensors need {} of {} at most.",
              *chosen, recomputed_->size(), human_bytes(needed), human_bytes(budget));
}

Trial Trainer::probe(const data::Batch& batch, bool as_last) {
  Trial trial;
  parallel_->clear_gradients();
  const PeakBytes memory(
      [&] {
        pass(batch, trial, as_last);
        parallel_->leave();
        const Stopwatch clock;
        const std::vector<ParameterGroup> groups = this->groups();
        clip(groups);
        optimizer_->step(groups, optimizer_->base_lr());
        parallel_->updated();
        parallel_->pieces().front().values.sum().item();  // waits for the device
        trial.update = clock.seconds();
      },
      parts_.device.type());
  if (parts_.device.is_cpu()) give_back_spare_memory(trial.forward + trial.backward + trial.update);
  trial.bytes = memory.peak();
  return trial;
}

Held Trainer::held() const {
  Memory weights, gradients;
  for (const auto& item : parts_.recipe->module().named_parameters()) weights.add(item.value());
  for (const auto& item : parts_.recipe->module().named_buffers()) weights.add(item.value());
  // Of the whole parameters, or of this rank's pieces alone; where there are both, one is a view of the other.
  for (const torch::Tensor& parameter : parameters_) gradients.add(parameter.grad());
  for (const dist::Piece& piece : parallel_->pieces()) gradients.add(piece.values.grad());
  Held held{parallel_->held_bytes() + weights.bytes(), gradients.bytes(), 0, 0};
  for (const StateTensor& tensor : optimizer_->state()) held.optimizer += static_cast<int64_t>(tensor.values.nbytes());
  for (const torch::Tensor& parameter : parameters_)
    held.trained += parameter.numel() * static_cast<int64_t>(parameter.element_size());
  return held;
}

void Trainer::try_memory(const data::Batch& batch) {
  Trial trial;
  pass(batch, trial, /*as_last=*/true);
  parallel_->clear_gradients();
  parallel_->leave();
  const PeakMemory peak = peak_memory(parts_.device);
  if (is_first())
    log::info(
        "A trial of {} samples with {:.1f} s of audio, among the largest of epoch {}: peak memory {} of the host{}.",
        batch.size(), batch.audio_seconds, batch.cursor.epoch, human_bytes(peak.host),
        peak.device > 0 ? fmt::format(", {} of {}", human_bytes(peak.device), parts_.device.str()) : "");
}

}  // namespace usam
