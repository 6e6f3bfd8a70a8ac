#include "trainer/trainer.h"

#include <ATen/ceil_div.h>
#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

#include "src/base/error.h"
#include "src/base/json.h"
#include "src/dist/gather.h"
#include "src/tensor/rng.h"
#include "trainer/memory.h"
#include "trainer/precision.h"
#include "trainer/skips.h"
#include "trainer/stopwatch.h"
#include "trainer/sums.h"

namespace usam {
namespace {

// Rides along with the counts, for the log.
constexpr const char* kAudioSeconds = "audio seconds";
const std::string kSeen = "seen ";

}  // namespace

StepRecord Trainer::step() {
  Stopwatch clock;
  const double waited = parts_.ranks->monitor().waited();
  StepRecord record;
  record.step = state_.step + 1;
  const std::vector<data::Batch> batches = fetch();
  record.wait_seconds = clock.seconds();
  const Counts counts = count(batches);
  std::vector<torch::Tensor> losses;
  Tally tally;
  parallel_->enter();
  parallel_->clear_gradients();
  for (const data::Batch& batch : batches) {
    seed_default_generators(draw_key(state_.seed, "dropout", state_.step, place_in_step(losses.size())));
    at("forward", batch.keys);
    const StepOutput output = forward(batch);
    const bool is_last = &batch == &batches.back();
    const torch::Tensor loss = touch(see(weighted_loss(output.terms, counts), is_last), parameters_);
    backward(loss, is_last);
    losses.push_back(loss.detach());
    tally.add(output);
  }
  parallel_->finish();
  parallel_->leave();
  at("update");
  const std::vector<ParameterGroup> groups = this->groups();
  record.figures = tally.figures(counts, *parts_.ranks);
  record.gradient_norm = clip(groups);
  record.lr = optimizer_->base_lr() * schedule_->factor(state_.step, total_);
  record.finite = Guard::finite(record.figures.loss, record.gradient_norm);
  if (record.finite) {
    optimizer_->step(groups, record.lr);
    parallel_->updated();
    guard_.accepted();
  } else {
    drop(record, batches, losses);
  }
  if (parts_.device.is_cpu()) give_back_spare_memory(clock.seconds());
  record.ended_epoch = advance();
  record.audio_seconds = counts.at(kAudioSeconds);
  if (const auto tokens = counts.find("tokens"); tokens != counts.end()) record.tokens = tokens->second;
  record.seconds = clock.seconds();
  record.communication_seconds = parts_.ranks->monitor().waited() - waited;
  return record;
}

// This rank's micro-batches of the next step: as many on every rank, fewer than usual at the end of an epoch.
std::vector<data::Batch> Trainer::fetch() {
  if (!stream_) stream_ = parts_.train.open(state_.cursor);
  std::vector<data::Batch> batches;
  for (int64_t round = at::ceil_div(micro_batches_of_step(), parts_.ranks->world()); round > 0; --round) {
    std::optional<data::Batch> batch = next_of(*stream_, "data");
    if (!batch) internal_error("the data of epoch {} ended before its last micro-batch", state_.cursor.epoch);
    batches.push_back(std::move(*batch));
  }
  return batches;
}

Counts Trainer::count(const std::vector<data::Batch>& batches) {
  Counts counts;
  Skips skips;
  for (const data::Batch& batch : batches) {
    add(counts, parts_.recipe->count(batch));
    counts[kAudioSeconds] += batch.audio_seconds;
    for (const auto& [name, samples] : batch.seen) counts[kSeen + name] += static_cast<double>(samples);
    skips.add(batch, counts);
  }
  counts = sum_over_ranks(counts, *parts_.ranks);
  for (const auto& [name, samples] : counts)
    if (name.starts_with(kSeen)) state_.seen[name.substr(kSeen.size())] += static_cast<int64_t>(samples);
  state_.skipped = skips.check(counts, state_.skipped, parts_.train, state_.cursor, *parts_.ranks);
  return counts;
}

StepOutput Trainer::forward(const data::Batch& batch) {
  AutocastScope autocast(parts_.device, config_.precision);
  if (batch.size() > 0 || !parts_.stand_in) return parts_.recipe->forward(batch.to(parts_.device));
  StepOutput output = parts_.recipe->forward(parts_.stand_in->to(parts_.device));
  for (Term& term : output.terms) term.sum = 0 * term.sum;
  output.metrics.clear();
  return output;
}

void Trainer::backward(const torch::Tensor& loss, bool is_last) {
  at("backward", keys_under_way_);
  if (is_last) parallel_->expect_last_backward();
  loss.backward();
}

double Trainer::clip(const std::vector<ParameterGroup>& groups) {
  return clip_gradients(groups, config_.max_grad_norm, parallel_->is_shared() ? parts_.ranks.get() : nullptr);
}

// Names the samples of the micro-batches whose loss is not finite, or of the whole step where only a gradient is to
// blame.
void Trainer::drop(const StepRecord& record, const std::vector<data::Batch>& batches,
                   const std::vector<torch::Tensor>& losses) {
  Json mine = {{"blamed", Json::array()}, {"all", Json::array()}};
  for (size_t i = 0; i < batches.size(); ++i)
    for (const std::string& key : batches[i].keys) {
      mine["all"].push_back(key);
      if (!std::isfinite(losses[i].item<double>())) mine["blamed"].push_back(key);
    }
  std::vector<std::string> blamed, all;
  for (const std::string& text : dist::gather_texts(to_line(mine), *parts_.ranks)) {
    const Json theirs = Json::parse(text);
    for (const Json& key : theirs["blamed"]) blamed.push_back(key);
    for (const Json& key : theirs["all"]) all.push_back(key);
  }
  progress_.clear();
  guard_.dropped(record.step, record.figures.loss, record.gradient_norm, blamed.empty() ? all : blamed);
}

int64_t Trainer::place_in_step(size_t round) const {
  return static_cast<int64_t>(round) * parts_.ranks->world() + parts_.ranks->rank();
}

int64_t Trainer::micro_batches_of_step() const {
  const int64_t size = parts_.train.micro_batches(state_.cursor);
  if (state_.cursor.micro_batch >= size)
    user_error(
        "Epoch {} has {} micro-batches, and the run stands at number {}: the training data changed, or is empty.",
        state_.cursor.epoch, size, state_.cursor.micro_batch);
  return std::min(state_.global_micro_batches, size - state_.cursor.micro_batch);
}

// Behind the step's micro-batches, and at the end of an epoch or of a phase at the beginning of the next epoch: then
// what is to be told of this one.
std::optional<EpochRecord> Trainer::advance() {
  const data::Cursor at = state_.cursor;
  const int64_t size = parts_.train.micro_batches(at);
  state_.cursor.micro_batch += micro_batches_of_step();
  ++state_.step;
  const bool ends_phase = parts_.train.ends_phase(at.phase, state_.step);
  if (state_.cursor.micro_batch < size && !ends_phase) return std::nullopt;
  EpochRecord ended{at.epoch, at.phase, state_.cursor.micro_batch, size, state_.skipped, std::move(state_.seen)};
  state_.cursor = {at.epoch + 1, 0, at.phase + (ends_phase ? 1 : 0)};
  state_.skipped = 0;
  state_.seen.clear();
  stream_.reset();
  return ended;
}

std::optional<Figures> Trainer::evaluate() {
  torch::NoGradGuard no_grad;
  parts_.recipe->train(false);
  parallel_->enter();
  std::optional<Figures> figures;
  std::exception_ptr failure;
  bool all_fail = parts_.ranks->world() == 1;
  try {
    figures = measure(all_fail);
  } catch (const UserError&) {
    failure = std::current_exception();
  }
  parallel_->leave();
  parts_.recipe->train(true);
  if (failure) {
    if (all_fail) save(/*is_last=*/true);  // what was trained up to here is not lost by it
    std::rethrow_exception(failure);
  }
  return figures;
}

// `all_fail` says of a UserError whether all ranks have it.
std::optional<Figures> Trainer::measure(bool& all_fail) {
  const std::unique_ptr<BatchStream> stream = parts_.valid->open({0, 0});
  Counts counts;
  Skips skips;
  Tally tally;
  while (const std::optional<data::Batch> batch = next_of(*stream, "data of the evaluation")) {
    if (stop_requested()) return std::nullopt;
    at("evaluation", batch->keys);
    add(counts, parts_.recipe->count(*batch));
    skips.add(*batch, counts);
    tally.add(forward(*batch));
  }
  counts = sum_over_ranks(counts, *parts_.ranks);
  const bool was_alone = std::exchange(all_fail, true);
  skips.check(counts, 0, *parts_.valid, {}, *parts_.ranks);
  all_fail = was_alone;
  Figures figures = tally.figures(counts, *parts_.ranks);
  at("figures of the evaluation", {}, 10);
  const AutocastScope autocast(parts_.device, config_.precision);  // what fsdp fetches has its type
  if (parts_.task_figures && !figures.values.contains(config_.best.metric)) {
    const bool together = parts_.strategy == dist::Strategy::kFsdp;
    const TaskFigures more =
        parts_.task_figures([this, together] { return together ? stop_requested() : is_asked_to_stop(); });
    if (!more) return std::nullopt;
    for (const auto& [name, value] : *more) figures.values[name] = value;
  }
  if (parts_.pictures) {
    const auto draw = parts_.pictures(figures);
    if (recorder_) recorder_->events([&](io::EventWriter& events) { draw(events, state_.step); });
  }
  return figures;
}

}  // namespace usam
