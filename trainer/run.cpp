// The loop around the steps: files, evaluations, checkpoints, signals.
#include <c10/util/Exception.h>

#include <cmath>
#include <exception>
#include <filesystem>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "src/base/text.h"
#include "src/dist/gather.h"
#include "trainer/run_folder.h"
#include "trainer/signals.h"
#include "trainer/stopwatch.h"
#include "trainer/trainer.h"

namespace usam {
namespace {

// "loss 1.234, ce 1.2"
std::string text_of(const Figures& figures) {
  std::string text = fmt::format("loss {:.4g}", figures.loss);
  for (const auto& [name, value] : figures.values) text += fmt::format(", {} {:.4g}", name, value);
  return text;
}

// The figure that says which checkpoint is the best.
double figure(const Figures& figures, const std::string& metric) {
  if (metric == "loss") return figures.loss;
  if (const auto found = figures.values.find(metric); found != figures.values.end()) return found->second;
  std::vector<std::string> known = {"loss"};
  for (const auto& [name, value] : figures.values) known.push_back(name);
  user_error("trainer.best.metric is '{}', which this run's evaluation does not give. It gives {}.", metric,
             join_words(known));
}

}  // namespace

Trainer::Trainer(const TrainerConfig& config, TrainerParts parts)
    : config_(config),
      parts_(std::move(parts)),
      optimizer_(optimizers().build(config.optimizer, parts_.recipe->groups())),
      schedule_(schedules().build(config.schedule)),
      guard_(parts_.run, config.max_bad_steps, is_first()),
      progress_(is_first()) {
  for (const ParameterGroup& group : parts_.recipe->groups())
    for (const auto& [name, parameter] : group.parameters) {
      saved_.emplace_back(name, parameter);
      parameters_.push_back(parameter);
    }
  if (parameters_.empty()) user_error("The recipe has nothing to train: every part is frozen.");
  for (const auto& named : parts_.recipe->statistics()) saved_.push_back(named);
  gradients_ = dist::sum_gradients(parameters_, parts_.ranks);
  device_ = parameters_[0].device();
  if (parts_.train.micro_batches(0) == 0) user_error("data.train gives no micro-batch: it is empty.");
  if (parts_.valid && parts_.valid->micro_batches(0) == 0) user_error("data.valid gives no micro-batch: it is empty.");
  state_.seed = parts_.seed;
  state_.global_micro_batches = parts_.ranks->world() * config_.accumulate;
  total_ = plan_steps();
}

// The last step of an epoch takes what is left, so an epoch is a whole number of steps.
int64_t Trainer::plan_steps() const {
  if (config_.max_steps) return *config_.max_steps;
  int64_t steps = 0;
  for (int64_t epoch = 0; epoch < *config_.epochs; ++epoch) {
    const int64_t size = parts_.train.micro_batches(epoch);
    steps += (size + state_.global_micro_batches - 1) / state_.global_micro_batches;
  }
  return steps;
}

void Trainer::resume(const std::string& checkpoint) {
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
  restore_tensors(saved_, checkpoint + "/model.safetensors");
  restore_tensors(optimizer_->state(), checkpoint + "/optimizer.safetensors");
  // A best checkpoint that is gone, or stayed behind in another run's folder, cannot be linked to.
  if (state.best &&
      !std::filesystem::exists(fmt::format("{}/checkpoint-{}/manifest.json", parts_.run, state.best->step)))
    state.best.reset();
  state_ = state;
  guard_.restore(state.bad_steps);
  stream_.reset();
  total_ = plan_steps();
  if (is_first() && state_.step < total_) log::info("Continuing from {} at step {}.", checkpoint, state_.step);
}

Outcome Trainer::run() {
  if (state_.step >= total_) {
    if (is_first()) log::info("{} is finished after {} steps: nothing is left to do.", parts_.run, state_.step);
    return Outcome::kFinished;
  }
  const StopSignals signals;
  require_agreement(agreement(), *parts_.ranks);
  on_first_rank([this] { open_run(); });
  parts_.recipe->train(true);
  while (state_.step < total_) {
    try {
      record(step());
      const bool improved = parts_.valid && is_due(config_.eval_every) && evaluate_and_compare();
      const bool stop = stop_requested() && state_.step < total_;
      if (is_due(config_.save_every) || improved || stop) save();
      if (stop) return Outcome::kPreempted;
    } catch (const UserError&) {
      throw;
    } catch (const TrainingFailed&) {
      throw;
    } catch (const std::exception& e) {
      explain_failure(e);
      throw;
    }
  }
  progress_.clear();
  if (is_first()) log::info("{} is finished after {} steps.", parts_.run, state_.step);
  return Outcome::kFinished;
}

void Trainer::at(const std::string& phase) {
  parts_.ranks->doing(fmt::format("step {}, {}", state_.step + 1, phase));
}

// What else than the exception's text helps: the samples whose computation failed, or the rank that was lost. Torch's
// own exceptions are about the former, all others in a run of several ranks (Gloo's, NCCL's) about the latter.
void Trainer::explain_failure(const std::exception& e) {
  progress_.clear();
  if (dynamic_cast<const c10::Error*>(&e) && !dynamic_cast<const c10::DistError*>(&e)) {
    log::error("Step {} failed on the samples {}.", state_.step + 1, join_words(keys_under_way_));
  } else if (const std::string lost = parts_.ranks->diagnosis(); !lost.empty()) {
    log::error("Step {} could not be ended. {}", state_.step + 1, lost);
  }
}

// What the ranks must have in common. The data's size stands for the manifests, which each rank reads by itself.
Agreement Trainer::agreement() const {
  std::string parameters;
  for (const auto& [name, tensor] : saved_) parameters += fmt::format("{} {}\n", name, c10::str(tensor.sizes()));
  return {{"config", parts_.config_yaml},
          {"list of trained parameters", parameters},
          {"step to go on from", std::to_string(state_.step)},
          {"number of micro-batches", std::to_string(parts_.train.micro_batches(state_.cursor.epoch))}};
}

void Trainer::open_run() {
  namespace fs = std::filesystem;
  fs::create_directories(parts_.run);
  for (const auto& entry : fs::directory_iterator(parts_.run)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".checkpoint-") && name.ends_with(".partial")) fs::remove_all(entry.path());
  }
  write_file_atomically(parts_.run + "/config.yaml", parts_.config_yaml);
  recorder_ = std::make_unique<Recorder>(parts_.run, state_.step);
  // A crash between the rename of a checkpoint and that of its links left them behind.
  if (fs::exists(fmt::format("{}/checkpoint-{}", parts_.run, state_.step)))
    link_checkpoint(parts_.run, "last", state_.step);
  if (state_.best) link_checkpoint(parts_.run, "best", state_.best->step);
  int64_t values = 0;
  for (const torch::Tensor& parameter : parameters_) values += parameter.numel();
  log::info("{}: {} steps of up to {} micro-batches, {} values to train.", parts_.run, total_,
            state_.global_micro_batches, human_count(values));
}

void Trainer::record(const StepRecord& record) {
  pace_.add(record.seconds, record.audio_seconds);
  const bool logged = is_due(config_.log_every);
  if (recorder_ && logged && record.finite) recorder_->step(record);
  ProgressState shown;
  shown.step = record.step;
  shown.total = total_;
  shown.loss = record.figures.loss;
  shown.lr = record.lr;
  shown.steps_per_second = pace_.steps_per_second();
  shown.audio_per_second = pace_.audio_per_second();
  progress_.update(shown, logged);
}

// Evaluates, records, and says whether this is the best state so far.
bool Trainer::evaluate_and_compare() {
  at("evaluation");
  const Stopwatch clock;
  const Figures figures = evaluate();
  progress_.clear();
  if (is_first()) log::info("Evaluation at step {}: {}", state_.step, text_of(figures));
  if (recorder_) recorder_->evaluation(state_.step, figures, clock.seconds());
  const double value = figure(figures, config_.best.metric);
  const bool higher = config_.best.mode == Better::kHigher;
  const bool first = !state_.best && !std::isnan(value);
  const bool improved = first || (state_.best && (higher ? value > state_.best->value : value < state_.best->value));
  if (improved) state_.best = Best{config_.best.metric, value, state_.step};
  return improved;
}

// True on every rank when one of them got a signal.
bool Trainer::stop_requested() {
  const int signal = StopSignals::received();
  torch::Tensor asked = torch::tensor(signal != 0 ? 1 : 0);
  parts_.ranks->all_reduce(asked);
  if (signal != 0) {
    progress_.clear();
    log::warn("Signal {} at step {}: saving and leaving.", signal, state_.step);
  }
  return asked.item<int64_t>() != 0;
}

void Trainer::save() {
  at("saving");
  progress_.clear();
  state_.bad_steps = guard_.in_a_row();
  on_first_rank([this] {
    recorder_->flush();
    const std::string path =
        write_checkpoint(parts_.run, {.state = state_,
                                      .config_yaml = parts_.config_yaml,
                                      .model = saved_,
                                      .optimizer = optimizer_->state(),
                                      .save_assets = [this](const std::string& f) { parts_.recipe->save_assets(f); }});
    link_checkpoint(parts_.run, "last", state_.step);
    if (state_.best) link_checkpoint(parts_.run, "best", state_.best->step);
    prune_checkpoints(parts_.run, config_.keep_last,
                      state_.best ? std::optional<int64_t>(state_.best->step) : std::nullopt);
    log::info("Saved {}.", path);
  });
}

// Runs `work` on the first rank while the others wait; what it throws ends every rank.
void Trainer::on_first_rank(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::string problem;
  if (is_first()) try {
      work();
    } catch (const std::exception& e) {
      failure = std::current_exception();
      problem = e.what();
    }
  const std::string told = dist::gather_texts(problem, *parts_.ranks)[0];
  if (failure) std::rethrow_exception(failure);
  if (!told.empty()) throw std::runtime_error(told);
}

}  // namespace usam
