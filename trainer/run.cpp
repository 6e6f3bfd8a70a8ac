// The loop around the steps: files, evaluations, checkpoints, signals.
#include <cmath>
#include <exception>
#include <filesystem>
#include <utility>

#include "src/base/error.h"
#include "src/base/fs.h"
#include "src/base/log.h"
#include "src/base/machine.h"
#include "src/base/text.h"
#include "src/dist/gather.h"
#include "trainer/run_folder.h"
#include "trainer/run_lock.h"
#include "trainer/signals.h"
#include "trainer/stopwatch.h"
#include "trainer/trainer.h"

namespace usam {
namespace {

const Stopwatch g_since_start;  // made when the program is started

// "loss 1.234, ce 1.2"
std::string text_of(const Figures& figures) {
  std::string text = fmt::format("loss {:.4g}", figures.loss);
  for (const auto& [name, value] : figures.values) text += fmt::format(", {} {:.4g}", name, value);
  return text;
}

// The loss's terms, and what they are over a part of their items.
std::map<std::string, double> loss_parts(const Figures& figures) {
  std::map<std::string, double> parts;
  for (const std::string& term : figures.terms)
    for (const auto& [name, value] : figures.values)
      if (name == term || name.starts_with(term + "/")) parts[name] = value;
  return parts;
}

// The figure that says which checkpoint is the best.
std::optional<double> figure(const Figures& figures, const std::string& metric) {
  if (metric == "loss") return figures.loss;
  if (const auto found = figures.values.find(metric); found != figures.values.end()) return found->second;
  return std::nullopt;
}

std::string names_of(const Figures& figures) {
  std::vector<std::string> known = {"loss"};
  for (const auto& [name, value] : figures.values) known.push_back(name);
  return join_words(known);
}

}  // namespace

Outcome Trainer::run() {
  if (state_.step >= total_ && !state_.owes_evaluation) {
    if (is_first()) {
      RunLock lock;  // what another process is at may look like leftovers
      if (lock.try_take(parts_.run)) tidy_run();
      log::info("{} is finished after {} steps: nothing is left to do.", parts_.run, state_.step);
    }
    return Outcome::kFinished;
  }
  const StopSignals signals(/*tells=*/is_first());
  require_agreement(agreement(), *parts_.ranks);
  RunLock lock;
  on_first_rank([&] {
    lock.take(parts_.run);
    open_run();
  });
  rank_file_ = std::make_unique<RankFile>(parts_.run, *parts_.ranks, parts_.device);
  reach_ = std::make_unique<Reach>(trained_);
  parts_.recipe->train(true);
  saved_best_ = state_.best;
  saver_ = std::make_unique<Saver>(parts_.run, Keep{config_.keep_last, config_.keep_best}, config_.save_in_background,
                                   parts_.ranks);
  try {
    return go_on();
  } catch (const TrainingFailed&) {
    tell(saver_->wait(), Then::kFails);  // the ranks are still together
    throw;
  } catch (const std::exception&) {
    if (parts_.ranks->world() == 1) tell(saver_->wait(), Then::kFails);
    throw;
  }
}

Outcome Trainer::go_on() {
  try {
    fit_memory();
    if (config_.warm_with_longest) warm();
    while (state_.step < total_ || state_.owes_evaluation) {
      if (!state_.owes_evaluation) {
        record(step());
        state_.owes_evaluation = parts_.valid && is_due(config_.eval_every);
      }
      const bool improved = state_.owes_evaluation && evaluate_and_compare();
      const bool stop = stop_requested() && (state_.step < total_ || state_.owes_evaluation);
      if (is_due(config_.save_every) || improved || stop) save(stop || state_.step == total_);
      if (stop) return Outcome::kStopped;
    }
  } catch (const UserError&) {
    throw;
  } catch (const TrainingFailed&) {
    throw;
  } catch (const std::exception& e) {
    explain_failure(e);
    throw;
  }
  at("the end");
  progress_.clear();
  if (is_first()) log::info("{} is finished after {} steps.", parts_.run, state_.step);
  return Outcome::kFinished;
}

// What the ranks must have in common. The data's size stands for the manifests, which each rank reads by itself.
Agreement Trainer::agreement() const {
  std::string parameters;
  for (const auto& [name, tensor] : trained_) parameters += fmt::format("{} {}\n", name, c10::str(tensor.sizes()));
  return {{"config", parts_.config_yaml},
          {"list of trained parameters", parameters},
          {"order of exchanges", parallel_->order()},
          {"step to go on from", std::to_string(state_.step)},
          {"number of micro-batches", std::to_string(parts_.train.micro_batches(state_.cursor))}};
}

// What a crash left behind: unfinished checkpoints, and links that did not follow the last one.
void Trainer::tidy_run() {
  namespace fs = std::filesystem;
  restore_replaced_checkpoints(parts_.run);
  for (const auto& entry : fs::directory_iterator(parts_.run))
    if (is_partial_checkpoint(entry.path().filename().string())) fs::remove_all(entry.path());
  if (fs::exists(fmt::format("{}/checkpoint-{}", parts_.run, state_.step)))
    link_checkpoint(parts_.run, "last", state_.step);
  if (state_.best) link_checkpoint(parts_.run, "best", state_.best->step);
}

void Trainer::open_run() {
  tidy_run();
  write_file_atomically(parts_.run + "/config.yaml", parts_.config_yaml);
  recorder_ = std::make_unique<Recorder>(parts_.run, state_, parts_.prometheus);
  int64_t values = 0;
  for (const torch::Tensor& parameter : parameters_) values += parameter.numel();
  if (parts_.about.is_object()) {
    Json start = {{"time", utc_time()},
                  {"step", state_.step},
                  {"of", total_},
                  {"trained", values},
                  {"device", parts_.device.str()}};
    start.update(parts_.about);
    io::JsonLinesWriter(parts_.run + "/starts.jsonl").write(start);
  }
  log::info("{}: {} steps of up to {} micro-batches, {} values to train.", parts_.run, total_,
            state_.global_micro_batches, human_count(values));
}

void Trainer::record(StepRecord record) {
  pace_.add(record.seconds, record.audio_seconds, record.tokens);
  interval_.add(record.seconds, record.wait_seconds, record.communication_seconds);
  const bool logged = is_due(config_.log_every) || record.ended_epoch || !record.finite;
  if (logged) {
    record.interval = interval_.close(*parts_.ranks, parts_.device);
    std::vector<std::string> told = health_.see(record);
    if (const std::string slow = interval_.warning(record.interval); !slow.empty()) told.push_back(slow);
    if (is_first() && !told.empty()) progress_.clear();
    for (const std::string& sentence : told)
      if (is_first()) log::warn("{}", sentence);
  }
  if (record.ended_epoch && is_first()) {
    progress_.clear();
    log::info("{}", text_of(*record.ended_epoch));
  }
  if (recorder_ && logged) recorder_->step(record);
  ProgressState shown;
  shown.step = record.step;
  shown.total = total_;
  shown.loss = record.figures.loss;
  shown.lr = record.lr;
  shown.terms = loss_parts(record.figures);
  const PeakMemory memory = peak_memory(parts_.device);
  shown.memory = memory.device > 0 ? memory.device : memory.host;
  shown.tokens_per_second = pace_.tokens_per_second();
  shown.steps_per_second = pace_.steps_per_second();
  shown.audio_per_second = pace_.audio_per_second();
  progress_.update(shown, logged);
}

// Evaluates, records, and says whether this is the best state so far. Where a stop is asked for meanwhile, the state
// still owes its evaluation.
bool Trainer::evaluate_and_compare() {
  at("evaluation");
  const Stopwatch clock;
  const std::optional<Figures> measured = evaluate();
  progress_.clear();
  if (!measured) {
    if (is_first()) log::warn("The evaluation at step {} is left for the next start.", state_.step);
    return false;
  }
  const Figures& figures = *measured;
  state_.owes_evaluation = false;
  if (is_first()) log::info("Evaluation at step {}: {}", state_.step, text_of(figures));
  if (recorder_) recorder_->evaluation(state_.step, figures, clock.seconds());
  const std::optional<double> value = figure(figures, config_.best.metric);
  if (!value) {
    save(/*is_last=*/true);
    user_error(
        "trainer.best.metric is '{}', which this run's evaluation does not give: it gives {}. Step {} is saved; start "
        "again with one of these.",
        config_.best.metric, names_of(figures), state_.step);
  }
  if (!std::isfinite(*value)) {
    if (is_first())
      log::warn("{} is {} on this validation set, so step {} cannot be the best.", config_.best.metric, *value,
                state_.step);
    return false;
  }
  const bool higher = config_.best.mode == Better::kHigher;
  const bool improved = !state_.best || (higher ? *value > state_.best->value : *value < state_.best->value);
  if (improved) state_.best = Best{config_.best.metric, *value, state_.step};
  return improved;
}

bool Trainer::is_time_over() const {
  return config_.max_time && g_since_start.seconds() >= parse_seconds(*config_.max_time);
}

// This rank alone.
bool Trainer::is_asked_to_stop() const {
  return StopSignals::received() != 0 || is_time_over();
}

// True on every rank when one of them got a signal, or its time is over. What the ranks tell each other here also
// takes a checkpoint that is being written on.
bool Trainer::stop_requested() {
  const int signal = StopSignals::received();
  torch::Tensor asked =
      torch::tensor({signal != 0 ? 1 : 0, is_time_over() ? 1 : 0, saver_ && saver_->is_busy() ? 1 : 0});
  parts_.ranks->all_reduce(asked);
  if (saver_ && asked[2].item<int64_t>() == 0) tell(saver_->advance(), Then::kTrains);
  const bool is_over = asked[1].item<int64_t>() != 0, stops = asked[0].item<int64_t>() != 0 || is_over;
  if (!stops || std::exchange(has_told_stop_, true)) return stops;
  progress_.clear();
  if (signal != 0) log::warn("Signal {} at step {}: saving and leaving.", signal, state_.step);
  if (is_over && is_first())
    log::warn("The time is over (trainer.max_time: {}) at step {}: saving and leaving.", *config_.max_time,
              state_.step);
  return true;
}

void Trainer::save(bool is_last) {
  at("saving", {}, 10);  // only the disk knows how far it is
  progress_.clear();
  tell(saver_->wait(), Then::kTrains);
  state_.bad_steps = guard_.in_a_row();
  std::string problem;
  if (recorder_) problem = recorder_->flush();
  CheckpointParts parts;
  parts.state = state_;
  parts.config_yaml = parts_.config_yaml;
  parts.model = model_values();  // copies already
  parts.optimizer = optimizer_state();
  parts.is_shared = parallel_->is_shared();
  parts.save_assets = [recipe = parts_.recipe](const std::string& folder, const io::NamedTensors& values) {
    recipe->save_assets(folder, values);
  };
  saver_->start(std::move(parts), problem);
  if (is_last || !config_.save_in_background) tell(saver_->wait(), is_last ? Then::kEnds : Then::kTrains);
}

// What became of a checkpoint. Training goes on without one that could not be written, but does not end so.
void Trainer::tell(const std::optional<EndedSave>& ended, Then then) {
  if (!ended) return;
  progress_.clear();
  if (ended->problem.empty()) {
    saved_best_ = ended->best;
    if (!is_first()) return;
    for (const std::string& warning : ended->warnings) log::warn("{}", warning);
    log::info("Saved {}.", ended->path);
    return;
  }
  // What no checkpoint holds is not the best one: a later state need only be better than those that are there.
  if (state_.best && state_.best->step == ended->step) state_.best = saved_best_;
  if (then == Then::kEnds) throw TrainingFailed(ended->problem + ".");
  if (is_first()) log::error("{}{}.", ended->problem, then == Then::kTrains ? "; training goes on" : "");
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
