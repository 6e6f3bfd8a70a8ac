#include "data/augment/recordings.h"

#include <algorithm>
#include <cmath>

#include "data/audio/resample.h"
#include "data/augment/mix.h"
#include "data/sources/open.h"
#include "src/base/error.h"
#include "src/base/log.h"

namespace usam::data {
namespace {

constexpr double kKeptSeconds = 60;  // of a longer recording only what is needed is decoded, each time
constexpr double kResponseSeconds = 10;
constexpr double kFadeSeconds = 0.02;
constexpr double kSpareSeconds = 0.02;  // decoded beyond a stretch, so that resampling cannot leave it short
constexpr int kTries = 8;
constexpr int64_t kProbed = 16;

}  // namespace

audio::Audio WaveCache::get(const std::string& key, const std::function<audio::Audio()>& decode) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      kept_.splice(kept_.begin(), kept_, found->second);
      return found->second->audio;
    }
  }
  audio::Audio audio = decode();
  const auto bytes_of = [](const audio::Audio& a) { return static_cast<int64_t>(a.samples.nbytes()); };
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return audio;
  kept_.push_front({key, audio});
  by_key_[key] = kept_.begin();
  free_bytes_ -= bytes_of(audio);
  while (free_bytes_ < 0 && !kept_.empty()) {
    free_bytes_ += bytes_of(kept_.back().audio);
    by_key_.erase(kept_.back().key);
    kept_.pop_back();
  }
  return audio;
}

Recordings::Recordings(std::string option, const std::string& manifest, std::shared_ptr<WaveCache> cache, Report report,
                       const std::string& index_dir)
    : option_(std::move(option)),
      source_(open_manifests({{.path = {manifest}, .task = "recording"}}, {.index_dir = index_dir})),
      cache_(std::move(cache)),
      report_(std::move(report)) {
  require_some();
}

// A manifest with wrong paths would else be known from a list of skips only.
void Recordings::require_some() const {
  std::string first;
  const int64_t probed = std::min(kProbed, source_->size());
  for (int64_t i = 0; i < probed; ++i) {
    try {
      audio::probe(source_->row(i).audio());
      return;
    } catch (const UserError& e) {
      if (first.empty()) first = e.what();
    }
  }
  user_error("{}: none of the first {} recordings of {} can be read: {}", option_, probed, source_->name(), first);
}

void Recordings::note_unusable(int64_t index, const Row& row, const std::string& reason) const {
  {
    const std::lock_guard lock(mutex_);
    if (!unusable_.insert(index).second) return;
  }
  log::warn("{}: {}: recording '{}' is left out: {}", option_, source_->place(index), row.key, reason);
  if (report_) report_({option_ + ": " + row.key, row.audio().shown(), reason});
}

template <class Read>
torch::Tensor Recordings::draw(DrawKey key, const Read& read) const {
  for (uint64_t i = 0; i < kTries; ++i) {
    const auto index = static_cast<int64_t>(below(key, static_cast<uint64_t>(source_->size()), i));
    const Row row = source_->row(index);
    try {
      return read(row);
    } catch (const UserError& e) {
      note_unusable(index, row, e.what());
    }
  }
  return {};
}

audio::Audio Recordings::decode_kept(const Row& row, double max_seconds) const {
  const AudioRef& ref = row.audio();
  const std::string key = fmt::format("{}\n{}\n{}\n{}\n{}", ref.path, ref.begin, ref.offset, row.seconds, max_seconds);
  return cache_->get(key, [&] {
    audio::Audio audio = audio::decode(ref, max_seconds, audio::part_of(row));
    if (mean_power(audio.samples) <= 0) user_error("{}: the recording is silent", ref.shown());
    return audio;
  });
}

torch::Tensor Recordings::stretch_of(const Row& row, int64_t n, double rate, DrawKey key) const {
  const double needed = static_cast<double>(n) / rate + kSpareSeconds, at = uniform(key, 0);
  audio::Audio audio;
  if (row.seconds > std::max(needed, kKeptSeconds)) {
    const double begin = row.audio().is_part ? row.audio().offset : 0;
    audio = audio::decode(row.audio(), needed, {begin + at * (row.seconds - needed), needed});
  } else {
    audio = decode_kept(row, std::max(needed, kKeptSeconds));
    const auto size = std::llround(needed * static_cast<double>(audio.sample_rate));
    const int64_t spare = audio.samples.numel() - size;
    if (spare > 0) audio.samples = audio.samples.narrow(0, std::llround(at * static_cast<double>(spare)), size);
  }
  const torch::Tensor wave = audio::resample(audio.samples, static_cast<double>(audio.sample_rate), rate);
  if (wave.numel() == 0) user_error("{}: the recording holds no sample at {} Hz", row.audio().shown(), rate);
  const auto phase = static_cast<int64_t>(uniform(key, 1) * static_cast<double>(wave.numel()));
  return looped(wave, n, std::llround(kFadeSeconds * rate), phase);
}

torch::Tensor Recordings::draw_stretch(int64_t n, double rate, DrawKey key) const {
  return draw(key.with("recording"), [&](const Row& row) { return stretch_of(row, n, rate, key.with("stretch")); });
}

torch::Tensor Recordings::draw_response(double rate, DrawKey key) const {
  return draw(key.with("recording"), [&](const Row& row) {
    const audio::Audio audio = decode_kept(row, kResponseSeconds);
    return audio::resample(audio.samples, static_cast<double>(audio.sample_rate), rate);
  });
}

}  // namespace usam::data
