#include "recipes/estimate.h"

#include <ATen/ceil_div.h>
#include <fmt/format.h>

#include <algorithm>

#include "data/loader.h"
#include "src/base/text.h"
#include "src/dist/gather.h"
#include "src/dist/launch.h"
#include "trainer/memory.h"
#include "trainer/stopwatch.h"

namespace usam::recipes {
namespace {

// A time as a line through two measured points, by seconds of audio.
struct Line {
  double at_zero = 0, slope = 0;
  double operator()(double x) const { return at_zero + slope * x; }
};

// Where the two are alike, or noise turns the line round, time is taken to be in proportion.
Line line_through(double x0, double y0, double x1, double y1) {
  const Line proportional{0, (y0 + y1) / std::max(x0 + x1, 1e-9)};
  if (x1 - x0 < 0.05 * x1 || y1 <= y0) return proportional;
  const double slope = (y1 - y0) / (x1 - x0);
  return y0 - slope * x0 < 0 ? proportional : Line{y0 - slope * x0, slope};
}

// Seconds of audio of micro-batches spread over the first epoch: (seconds, number), by rising seconds.
std::vector<std::pair<double, int64_t>> some_micro_batches(const data::DataSet& set) {
  constexpr int64_t kMost = 512;
  const auto plan = set.plan(0);
  const int64_t count = std::min(kMost, plan->size());
  std::vector<std::pair<double, int64_t>> all;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t number = i * plan->size() / count;
    double seconds = 0;
    for (const data::Visit& visit : plan->micro_batch(number)) seconds += set.seconds(visit.row);
    all.emplace_back(seconds, number);
  }
  std::sort(all.begin(), all.end());
  return all;
}

// Of the clips of a set, as long as they are used.
double seconds_of(const data::DataSet& set) {
  double seconds = 0;
  for (int64_t i = 0; i < set.source().size(); ++i) seconds += set.seconds(i);
  return seconds;
}

data::Batch load(const std::shared_ptr<const data::DataSet>& set, int64_t number) {
  return *data::Loader(set, {{0, number}}).next();
}

// Bytes of a batch's features, for a second of audio.
double bytes_of_second(const data::Batch& batch) {
  double bytes = 0;
  for (const auto& [name, field] : batch.fields)
    if (name.starts_with("audio")) bytes += static_cast<double>(field.data.nbytes());
  return bytes / std::max(batch.audio_seconds, 1e-9);
}

double pass_seconds(const TriedStep& tried) {
  return tried.trial.forward + tried.trial.backward;
}

// The second of two runs counts for the time: the first one warms up. Where a step takes very long there is one.
TriedStep try_step(Trainer& trainer, const data::Batch& batch, dist::Communicator& ranks) {
  constexpr double kLong = 20;  // seconds
  TriedStep tried{trainer.probe(batch, /*as_last=*/true), batch.size(), batch.audio_seconds};
  if (dist::most_of_ranks(pass_seconds(tried), ranks) > kLong) return tried;
  const int64_t bytes = tried.trial.bytes;
  tried.trial = trainer.probe(batch, /*as_last=*/true);
  tried.trial.bytes = std::max(bytes, tried.trial.bytes);
  return tried;
}

// Measures what reading a micro-batch takes.
void read_some(Estimate& estimate, data::Loader& loader) {
  constexpr int kSome = 6;
  const Stopwatch clock;
  int count = 0;
  for (; count < kSome; ++count) {
    auto batch = loader.next();
    if (!batch) break;
    if (estimate.first.size() == 0) estimate.first = std::move(*batch);
  }
  estimate.load = clock.seconds() / std::max(count, 1);
}

// Trains on the epoch's first micro-batches as a run does: what a second of their audio takes. Reading and computing
// share the processor, so neither tells it alone. Ranks read their shares until one of them has none.
std::optional<double> try_training(Trainer& trainer, const std::shared_ptr<const data::DataSet>& train,
                                   dist::Communicator& ranks) {
  constexpr int kMost = 16;
  constexpr double kLongEnough = 10;
  data::Loader loader(train, {{}, ranks.rank(), ranks.world()});
  const Stopwatch clock;
  double audio_seconds = 0;
  for (int count = 0; count < kMost; ++count) {
    const auto batch = loader.next();
    const bool is_over = !batch || batch->size() == 0 || clock.seconds() > kLongEnough;
    if (dist::most_of_ranks(is_over, ranks) > 0) break;
    trainer.probe(*batch, /*as_last=*/false);
    audio_seconds += batch->audio_seconds;
  }
  return audio_seconds > 0 ? std::optional(clock.seconds() / audio_seconds) : std::nullopt;
}

int64_t activations_of(const Estimate& e) {
  return std::max<int64_t>(e.worst.trial.bytes - e.held.gradients, 0);
}

// What a rank copies to host memory for a checkpoint: the first one all trained values.
int64_t copies_of(const Held& held, const RunConfig& config, const dist::Communicator& ranks) {
  const bool is_first = ranks.rank() == 0;
  const bool writes_states = is_first || config.parallel.strategy != dist::Strategy::kDdp;
  return (is_first ? held.trained : 0) + (config.trainer.save_in_background && writes_states ? held.optimizer : 0);
}

// Puts what the rank that needs most will need in place of this one's.
void take_largest(Estimate& e, dist::Communicator& ranks) {
  const auto mine = torch::tensor({device_bytes(e), e.held.weights, e.held.gradients, e.held.optimizer,
                                   e.worst.trial.bytes, e.peak_resident, e.copies});
  const int64_t* largest = nullptr;
  const auto all = ranks.all_gather(mine);
  for (const auto& of_rank : all)
    if (const auto* theirs = of_rank.data_ptr<int64_t>(); !largest || theirs[0] > largest[0]) largest = theirs;
  e.held.weights = largest[1], e.held.gradients = largest[2], e.held.optimizer = largest[3];
  e.worst.trial.bytes = largest[4], e.peak_resident = largest[5], e.copies = largest[6];
}

}  // namespace

Estimate try_steps(const RunConfig& config, const std::shared_ptr<Recipe>& recipe,
                   const std::shared_ptr<const data::DataSet>& train, const std::shared_ptr<const data::DataSet>& valid,
                   const std::shared_ptr<dist::Communicator>& ranks) {
  TrainerParts parts;
  parts.recipe = recipe;
  parts.ranks = ranks;
  parts.strategy = config.parallel.strategy;
  if (parts.strategy == dist::Strategy::kFsdp) parts.stand_in = train->silence();
  parts.device = dist::local_device(dist::read_launch());
  parts.train = make_batches(train, *ranks);
  parts.run = config.run.dir.value;
  parts.seed = static_cast<uint64_t>(config.seed);
  Estimate estimate;
  estimate.device = parts.device;
  estimate.ranks = ranks->world();
  recipe->train(true);
  Trainer trainer(config.trainer, parts);
  trainer.fit_memory();
  const auto sizes = some_micro_batches(*train);
  for (const auto& [seconds, number] : sizes)
    estimate.seconds_of_micro_batch += seconds / static_cast<double>(sizes.size());
  estimate.micro_batches = train->plan(0)->size();
  estimate.micro_batches_of_step = config.trainer.accumulate;
  estimate.steps = trainer.total_steps();
  estimate.evaluated = valid ? valid->plan(0)->size() : 0;
  data::Loader loader(train, {});  // it reads ahead while steps are tried, as in training
  read_some(estimate, loader);
  estimate.median = try_step(trainer, load(train, sizes[sizes.size() / 2].second), *ranks);
  for (const int64_t number : train->plan(0)->worst()) {
    const TriedStep tried = try_step(trainer, load(train, number), *ranks);
    if (tried.trial.bytes >= estimate.worst.trial.bytes) estimate.worst = tried;
  }
  constexpr double kReadingCounts = 2;  // seconds of a step
  if (dist::most_of_ranks(pass_seconds(estimate.median), *ranks) < kReadingCounts) {
    estimate.second_at_first = try_training(trainer, train, *ranks);
    estimate.second_again = try_training(trainer, train, *ranks);
  }
  estimate.held = trainer.held();
  estimate.peak_resident = peak_memory(parts.device).host;
  if (config.data.cache_memory > 0 && !config.data.augment.changes_wave()) {
    constexpr double kHoles = 1.1;  // what lies between clips that were kept one by one, a tenth as measured
    for (const auto& set : {train, valid})
      if (set)
        estimate.kept_clips +=
            std::min(config.data.cache_memory * 1000000,
                     static_cast<int64_t>(kHoles * bytes_of_second(estimate.first) * seconds_of(*set)));
  }
  estimate.copies = copies_of(estimate.held, config, *ranks);
  take_largest(estimate, *ranks);
  return estimate;
}

int64_t device_bytes(const Estimate& e) {
  return e.held.weights + e.held.gradients + e.held.optimizer + activations_of(e) + (e.device.is_cpu() ? e.copies : 0);
}

std::string describe_memory(const Estimate& estimate, int64_t baseline) {
  const Held& held = estimate.held;
  const std::string whose =
      estimate.ranks == 1 ? "" : fmt::format(" on the rank of {} that needs most", estimate.ranks);
  std::string text =
      fmt::format("memory of {}{}: {} of tensors\n", estimate.device.str(), whose, human_bytes(device_bytes(estimate)));
  const auto line = [&text](const char* what, int64_t bytes, const std::string& more = "") {
    text += fmt::format("  {:<12}{:>12}{}\n", what, human_bytes(bytes), more);
  };
  line("weights", held.weights);
  line("gradients", held.gradients);
  line("optimizer", held.optimizer);
  line(
      "activations", activations_of(estimate),
      fmt::format("  (measured: {} samples, {:.1f} s of audio)", estimate.worst.samples, estimate.worst.audio_seconds));
  if (estimate.device.is_cpu()) line("copies", estimate.copies, "  (while a checkpoint is written)");
  const int64_t host = estimate.peak_resident - baseline + estimate.kept_clips + estimate.copies;
  text += fmt::format(
      "memory of the host{}: {} beside the {} of the program itself; of that {} for clips (data.cache_memory), {} for "
      "copies while a checkpoint is written\n",
      whose.empty() ? whose : " for this rank", human_bytes(host), human_bytes(baseline),
      human_bytes(estimate.kept_clips), human_bytes(estimate.copies));
  return text;
}

std::string describe_time(const Estimate& e, const RunConfig& config) {
  const Line pass =
      line_through(e.median.audio_seconds, pass_seconds(e.median), e.worst.audio_seconds, pass_seconds(e.worst));
  const Line forward =
      line_through(e.median.audio_seconds, e.median.trial.forward, e.worst.audio_seconds, e.worst.trial.forward);
  const double compute = pass(e.seconds_of_micro_batch), update = e.median.trial.update;
  const auto step_of = [&](const std::optional<double>& second) {
    const double micro_batch = second ? *second * e.seconds_of_micro_batch - update : std::max(compute, e.load);
    return static_cast<double>(e.micro_batches_of_step) * micro_batch + update;
  };
  const int64_t evaluations = e.evaluated == 0 ? 0 : at::ceil_div(e.steps, config.trainer.eval_every);
  const double evaluating =
      static_cast<double>(evaluations * at::ceil_div(e.evaluated, e.ranks)) * forward(e.seconds_of_micro_batch);
  const int64_t epoch = at::ceil_div(e.micro_batches, e.micro_batches_of_step * e.ranks);
  const int64_t first = std::min(e.steps, epoch);
  const double training = static_cast<double>(first) * step_of(e.second_at_first) +
                          static_cast<double>(e.steps - first) * step_of(e.second_again);
  std::string text = fmt::format(
      "time: {} steps of {} s, {} an epoch, and {} evaluations of {} s: about {} on {}\n", e.steps,
      fmt::format("{:.3g}", training / static_cast<double>(e.steps)), epoch, evaluations,
      fmt::format("{:.3g}", evaluations == 0 ? 0 : evaluating / static_cast<double>(evaluations)),
      human_seconds(training + evaluating), e.ranks == 1 ? "one process" : fmt::format("{} ranks", e.ranks));
  if (e.load > compute)
    text += fmt::format(
        "  reading takes longer than computing, {:.3g} s a micro-batch against {:.3g} s: raise data.threads, or keep "
        "clips with data.cache_memory\n",
        e.load, compute);
  if (config.trainer.best.metric.find('/') != std::string::npos)
    text += fmt::format("  without the decoding that trainer.best.metric, {}, asks for\n", config.trainer.best.metric);
  return text;
}

}  // namespace usam::recipes
