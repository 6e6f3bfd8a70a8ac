#include "data/data_set.h"

#include <algorithm>
#include <cmath>

#include "data/augment/spec_augment.h"
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

}  // namespace

DataSet::DataSet(std::shared_ptr<const Source> source, DataPlan plan, DataConfig config, Use use,
                 std::shared_ptr<SkipList> skips)
    : source_(std::move(source)),
      plan_(std::move(plan)),
      config_(std::move(config)),
      use_(use),
      skips_(std::move(skips)) {
  if (!use_.is_training) {
    config_.shuffle = false;
    config_.augment = {};
  }
  if (!skips_) skips_ = std::make_shared<SkipList>(config_.max_skipped, nullptr);
  const bool truncates = config_.long_audio == LongAudio::kTruncate;
  reader_ = make_file_reader(plan_, {config_.max_seconds, truncates, config_.augment});
  if (config_.cache_memory > 0 && !config_.augment.changes_wave())
    reader_ = make_caching_reader(reader_, config_.cache_memory);
  for (const Stream& stream : plan_.streams) {
    if (make_front_end(stream.front_end)->is_spectrogram()) spectrograms_.push_back(stream.name);
  }
}

std::shared_ptr<const EpochPlan> DataSet::plan(int64_t epoch) const {
  const std::lock_guard lock(mutex_);
  if (planned_epoch_ == epoch) return planned_;
  PlanOptions options;
  options.seed = use_.seed;
  options.batch = config_.batch;
  options.shuffle = config_.shuffle;
  options.is_weighted = use_.is_training;
  options.long_audio = config_.long_audio;
  options.max_seconds = config_.max_seconds;
  options.min_seconds = plan_.min_seconds;
  for (const double speed : config_.augment.speed) options.slowest_speed = std::min(options.slowest_speed, speed);
  planned_ = std::make_shared<EpochPlan>(plan_epoch(*source_, options, epoch));
  planned_epoch_ = epoch;
  return planned_;
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

Sample DataSet::load(const Visit& visit, int64_t epoch) const {
  const Row row = source_->row(visit.row);
  Sample sample;
  sample.key = row.key;
  try {
    read_into(sample, row, visit, epoch);
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

void DataSet::read_into(Sample& sample, const Row& row, const Visit& visit, int64_t epoch) const {
  const DrawKey key =
      draw_key(use_.seed, "augment", static_cast<uint64_t>(epoch), row.key, static_cast<uint64_t>(visit.copy));
  ReadClip read = reader_->read(visit.row, row, key);
  if (read.is_too_long) {
    if (config_.long_audio == LongAudio::kError)
      throw LongAudioError(
          fmt::format("{}: sample '{}': {} holds more than data.max_seconds = {}; set data.long_audio to truncate or "
                      "drop, or raise data.max_seconds",
                      source_->place(visit.row), row.key, row.audio().shown(), config_.max_seconds));
    sample.state = Sample::State::kTooLong;
    return;
  }
  if (config_.augment.spec.is_on()) mask_spectrograms(read.clip, key.with("spec"));
  if (use_.is_training) read.clip.draw = key.with("recipe").value();
  sample.seconds = read.clip.seconds;
  sample.is_truncated = read.is_truncated;
  sample.is_misdeclared = read.is_misdeclared;
  sample.example = plan_.make_example(row, read.clip);
}

void DataSet::mask_spectrograms(Clip& clip, DrawKey key) const {
  const auto frames = std::max<int64_t>(1, std::lround(clip.seconds * kSpectrogramHz));
  for (const auto& name : spectrograms_) {
    torch::Tensor& features_TF = clip.features.at(name);
    features_TF = spec_augment(features_TF, frames, config_.augment.spec, key);
  }
}

}  // namespace usam::data
