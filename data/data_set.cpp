#include "data/data_set.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "data/augment/spec_augment.h"
#include "data/budget.h"
#include "data/collate.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

constexpr double kSpectrogramHz = 100;  // both log-mel front ends hop by 10 ms

// Audio that is longer than its manifest says and than allowed: stops the run whatever data.on_error says.
class LongAudioError : public UserError {
 public:
  using UserError::UserError;
};

// Shares by the name of their file where no two have the same, else by their paths.
std::vector<Share> named_shares(const Source& source) {
  std::vector<Share> shares = source.shares();
  std::map<std::string, int64_t> known;
  const auto file = [](const Share& share) { return std::filesystem::path(share.name).filename().string(); };
  for (const Share& share : shares) ++known[file(share)];
  if (std::ranges::all_of(known, [](const auto& name) { return name.second == 1; }))
    for (Share& share : shares) share.name = file(share);
  return shares;
}

}  // namespace

DataSet::DataSet(std::shared_ptr<const Source> source, DataPlan plan, DataConfig config, Use use,
                 std::shared_ptr<SkipList> skips)
    : source_(std::move(source)),
      plan_(std::move(plan)),
      config_(std::move(config)),
      use_(use),
      skips_(std::move(skips)),
      shares_(named_shares(*source_)) {
  if (!use_.is_training) {
    config_.shuffle = false;
    config_.augment = {};
  }
  if (!skips_) skips_ = std::make_shared<SkipList>(config_.max_skipped, nullptr);
  if (config_.long_audio == LongAudio::kWindow && !plan_.takes_windows)
    user_error("This recipe takes no clips of several windows: set data.long_audio to error, drop or truncate.");
  limit_ = length_limit(config_);
  ClipOptions options = clip_options(config_);
  options.report = [skips = skips_](const Skipped& skipped) { skips->add(skipped); };
  reader_ = make_file_reader(plan_, options);
  how_ = fmt::format("{} {}", options.max_seconds, options.truncates);
  if (options.windows) how_ += fmt::format(" {} {}", options.windows->seconds, options.windows->overlap);
  if (config_.cache_memory > 0 && !config_.augment.changes_wave())
    reader_ = make_caching_reader(reader_, config_.cache_memory);
  for (const Stream& stream : plan_.streams) {
    if (make_front_end(stream.front_end)->is_spectrogram()) spectrograms_.push_back(stream.name);
  }
}

PlanOptions DataSet::plan_options() const {
  PlanOptions options;
  options.seed = use_.seed;
  options.batch = config_.batch;
  options.shuffle = config_.shuffle;
  if (use_.is_training) options.phases = phase_weights(shares_, config_.blend, config_.curriculum);
  options.long_audio = limit_.policy;
  options.max_seconds = limit_.seconds;
  options.prefix = limit_.prefix;
  options.min_seconds = plan_.min_seconds;
  for (const double speed : config_.augment.speed) options.slowest_speed = std::min(options.slowest_speed, speed);
  options.length = plan_.length;
  return options;
}

std::shared_ptr<const EpochPlan> DataSet::plan(int64_t epoch, int64_t phase) const {
  const std::lock_guard lock(mutex_);
  if (!planner_) planner_ = std::make_unique<Planner>(source_, plan_options());
  if (planned_epoch_ == epoch && planned_phase_ == phase) return planned_;
  planned_ = planner_->plan(epoch, phase);
  planned_epoch_ = epoch;
  planned_phase_ = phase;
  return planned_;
}

const std::string& DataSet::share_of(int64_t row) const {
  return std::ranges::upper_bound(shares_, row, {}, &Share::end)->name;
}

Batch DataSet::silence() const {
  Row row = source_->row(0);
  row.references = {""};
  row.tags.clear();
  const Clip clip = read_silence(plan_, {config_.max_seconds, true, {}});
  Batch batch;
  batch.keys = {"silence"};
  batch.rows = {0};
  batch.audio_seconds = clip.seconds;
  batch.fields = collate(plan_.fields, {plan_.make_example(row, clip)});
  return batch;
}

Sample DataSet::load(const Visit& visit, int64_t epoch, int64_t rows) const {
  const Row row = source_->row(visit.row);
  Sample sample;
  sample.key = row.key;
  sample.task = row.task;
  try {
    read_into(sample, row, visit, epoch, rows);
  } catch (const LongAudioError&) {
    throw;
  } catch (const UserError& e) {
    if (config_.on_error == OnError::kFail)
      user_error("{}: sample '{}': {}. Mend or remove it, or set data.on_error to skip", source_->place(visit.row),
                 row.key, e.what());
    sample.state = Sample::State::kSkipped;
    sample.skipped = {row.key, row.audio().shown(), e.what()};
  } catch (const std::exception& e) {
    throw std::runtime_error(
        fmt::format("{}: sample '{}' ({}): {}", source_->place(visit.row), row.key, row.audio().shown(), e.what()));
  }
  return sample;
}

// What the recipe remembers of the clip, or the clip itself.
ReadClip DataSet::clip_of(const Row& row, const Visit& visit, DrawKey key) const {
  if (row.audios.size() != 1) user_error("the sample has {} audios, the recipe takes one", row.audios.size());
  Clip known;
  if (plan_.memory && plan_.memory->recall(row, how_, known)) return {.clip = std::move(known), .is_recalled = true};
  ReadClip read = reader_->read(visit.row, row, key);
  read.clip.key = known.key;
  read.clip.recalled = std::move(known.recalled);
  return read;
}

void DataSet::read_into(Sample& sample, const Row& row, const Visit& visit, int64_t epoch, int64_t rows) const {
  const DrawKey key =
      draw_key(use_.seed, "augment", static_cast<uint64_t>(epoch), row.key, static_cast<uint64_t>(visit.copy));
  ReadClip read = clip_of(row, visit, key);
  if (read.is_too_long) {
    if (limit_.policy == LongAudio::kError)
      throw LongAudioError(
          fmt::format("{}: sample '{}': {} holds more than {}max_seconds = {}; set {}long_audio to truncate or drop, "
                      "or raise {}max_seconds",
                      source_->place(visit.row), row.key, row.audio().shown(), limit_.prefix, limit_.seconds,
                      limit_.prefix, limit_.prefix));
    sample.state = Sample::State::kTooLong;
    return;
  }
  check_budget(row, read.clip, rows);
  const SpecAugmentConfig& spec = config_.augment.spec;
  if (spec.is_on() && takes_task(spec.tasks, row.task)) mask_spectrograms(read.clip, key.with("spec"));
  if (use_.is_training) read.clip.draw = key.with("recipe").value();
  sample.seconds = read.clip.seconds;
  sample.is_truncated = read.clip.is_truncated;
  sample.is_misdeclared = read.clip.is_misdeclared;
  sample.is_windowed = read.clip.is_windowed;
  sample.is_recalled = read.is_recalled;
  sample.example = plan_.make_example(row, read.clip);
}

// The plan knew the row by its metadata; the budget holds for what it is.
void DataSet::check_budget(const Row& row, const Clip& clip, int64_t rows) const {
  const Budget budget(config_.batch);
  RowSize size;
  if (clip.is_misdeclared || row.seconds < 0) size.seconds = clip.seconds;
  if (budget.has_tokens()) {
    const SampleLength length = plan_.length(row, clip.seconds);
    size.tokens = length.audio_tokens + length.text_tokens;
  }
  if (const std::string problem = budget.problem(rows, size); !problem.empty()) throw UserError(problem);
}

// Of a clip in windows each by itself.
void DataSet::mask_spectrograms(Clip& clip, DrawKey key) const {
  for (size_t i = 0; i < clip.windows.size(); ++i) mask_spectrograms(clip.windows[i], key.with("window").with(i));
  if (!clip.windows.empty()) return;
  const auto frames = std::max<int64_t>(1, std::lround(clip.seconds * kSpectrogramHz));
  for (const auto& name : spectrograms_) {
    torch::Tensor& features_TF = clip.features.at(name);
    features_TF = spec_augment(features_TF, frames, config_.augment.spec, key);
  }
}

}  // namespace usam::data
