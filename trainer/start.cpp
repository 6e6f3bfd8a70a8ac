// How a trainer comes to stand where it starts: on its device, on its ranks, at the beginning or at a checkpoint.
#include <ATen/ceil_div.h>
#include <filesystem>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/tensor/dtype.h"
#include "src/tensor/host_copy.h"
#include "trainer/precision.h"
#include "trainer/trainer.h"

namespace usam {
namespace {

io::NamedTensors trained_by(Recipe& recipe) {
  io::NamedTensors trained;
  for (const ParameterGroup& group : recipe.groups())
    trained.insert(trained.end(), group.parameters.begin(), group.parameters.end());
  if (trained.empty()) user_error("The recipe has nothing to train: every part is frozen.");
  return trained;
}

void warn_of_slow_type(torch::Device device, Precision precision) {
  if (precision != Precision::kBf16 || !device.is_cpu() || has_bfloat16_products()) return;
  log::warn(
      "trainer.precision is bf16, but this processor has no instructions for bfloat16 (AVX512-BF16): its matrix "
      "products take several times as long as in fp32. Set trainer.precision=fp32, and dtype: float32 of models that "
      "have another.");
}

}  // namespace

Trainer::Trainer(const TrainerConfig& config, TrainerParts parts)
    : config_(config),
      parts_(std::move(parts)),
      trained_(trained_by(*parts_.recipe)),
      schedule_(schedules().build(config.schedule)),
      guard_(parts_.run, config.max_bad_steps, is_first()),
      health_(parts_.recipe->watches()),
      progress_(is_first()),
      interval_(parts_.ranks->sent()) {
  for (const auto& [name, parameter] : trained_) parameters_.push_back(parameter);
  if (parts_.train.micro_batches({}) == 0) user_error("data.train gives no micro-batch: it is empty.");
  if (!parts_.valid && config_.best.metric != "loss")
    user_error("trainer.best.metric is '{}', but data.valid names nothing to measure it on.", config_.best.metric);
  if (parts_.valid && parts_.valid->micro_batches({}) == 0) user_error("data.valid gives no micro-batch: it is empty.");
  state_.seed = parts_.seed;
  state_.global_micro_batches = parts_.ranks->world() * config_.accumulate;
  if (!parts_.checkpoint.empty()) restore_state(parts_.checkpoint);
  if (is_first()) warn_of_slow_type(parts_.device, config_.precision);
  if (config_.recompute > 0 || config_.recompute_to_gib > 0) {
    recomputed_.emplace(parts_.recipe->module());
    recomputed_->choose(static_cast<int64_t>(static_cast<double>(recomputed_->size()) * config_.recompute));
  }
  parallel_ = dist::distribute(parts_.recipe->module(), trained_, parts_.device, parts_.ranks, parts_.strategy,
                               autocast_type(config.precision));
  for (const dist::Piece& piece : parallel_->pieces()) pieces_[piece.name] = &piece;
  optimizer_ = optimizers().build(config.optimizer, groups());
  if (!parts_.checkpoint.empty()) restore_pieces(optimizer_state(), parts_.checkpoint);
  total_ = plan_steps();
  if (is_first() && !parts_.checkpoint.empty() && (state_.step < total_ || state_.owes_evaluation))
    log::info("Continuing from {} at step {}.", parts_.checkpoint, state_.step);
}

// The run's state and the trained values, while they are whole in host memory.
void Trainer::restore_state(const std::string& checkpoint) {
  RunState state = read_run_state(checkpoint);
  const int64_t world = parts_.ranks->world();
  if (state.global_micro_batches % world != 0)
    user_error(
        "{}: its steps have {} micro-batches, which {} ranks cannot share evenly. Use a number of ranks that divides "
        "{}.",
        checkpoint, state.global_micro_batches, world, state.global_micro_batches);
  if (state.seed != parts_.seed)
    user_error("{} was made with seed {}, this run has seed {}.", checkpoint, state.seed, parts_.seed);
  parts_.recipe->check_assets(checkpoint);
  io::NamedTensors values = trained_;
  for (const auto& named : parts_.recipe->statistics()) values.push_back(named);
  restore_tensors(values, checkpoint + "/model.safetensors");
  // A best checkpoint that is gone, or stayed behind in another run's folder, cannot be linked to; one by another
  // metric says nothing.
  if (state.best &&
      (state.best->metric != config_.best.metric ||
       !std::filesystem::exists(fmt::format("{}/checkpoint-{}/manifest.json", parts_.run, state.best->step))))
    state.best.reset();
  state.owes_evaluation &= parts_.valid.has_value();
  state_ = state;
  guard_.restore(state.bad_steps);
}

// The last step of an epoch takes what is left, so an epoch is a whole number of steps. A phase of the curriculum that
// ends cuts its epoch short.
int64_t Trainer::plan_steps() const {
  if (config_.max_steps) return *config_.max_steps;
  int64_t steps = 0;
  for (data::Cursor at; at.epoch < *config_.epochs; ++at.epoch) {
    const int64_t size = parts_.train.micro_batches(at);
    const int64_t before = steps;
    steps += at::ceil_div(size, state_.global_micro_batches);
    if (at.phase == std::ssize(parts_.train.phase_ends)) continue;
    const int64_t end = parts_.train.phase_ends[static_cast<size_t>(at.phase)];
    if (before < end && end <= steps) steps = end, ++at.phase;
  }
  return steps;
}

std::vector<ParameterGroup> Trainer::groups() const {
  std::vector<ParameterGroup> groups = parts_.recipe->groups();
  for (ParameterGroup& group : groups)
    for (auto& [name, parameter] : group.parameters) parameter = pieces_.at(name)->values;
  return groups;
}

std::vector<TensorPiece> Trainer::optimizer_state() const {
  std::vector<TensorPiece> state;
  for (const StateTensor& tensor : optimizer_->state()) {
    if (tensor.parameter.empty()) {
      state.push_back({tensor.name, tensor.values, 0, tensor.values.sizes().vec()});
    } else {
      const dist::Piece& piece = *pieces_.at(tensor.parameter);
      state.push_back({tensor.name, tensor.values, piece.begin, piece.shape});
    }
  }
  return state;
}

io::NamedTensors Trainer::model_values() {
  io::NamedTensors values = parallel_->host_values();
  if (is_first())
    for (const auto& [name, tensor] : parts_.recipe->statistics()) values.emplace_back(name, host_copy(tensor));
  return values;
}

}  // namespace usam
