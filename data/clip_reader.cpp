#include "data/clip_reader.h"

#include <cmath>
#include <mutex>
#include <set>
#include <unordered_map>

#include "data/audio/decode.h"
#include "data/audio/resample.h"
#include "data/augment/augmenter.h"
#include "data/plan.h"
#include "data/sources/windows.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

torch::Tensor padded_to(const torch::Tensor& samples, int64_t size) {
  if (samples.numel() >= size) return samples;
  return torch::constant_pad_nd(samples, {0, size - samples.numel()});
}

class FileReader final : public ClipReader {
 public:
  FileReader(const DataPlan& plan, const ClipOptions& options)
      : options_(options),
        augmenter_(options.augment, options.report, options.index_dir),
        min_seconds_(plan.min_seconds) {
    for (const Stream& stream : plan.streams) {
      auto front_end = make_front_end(stream.front_end);
      const double longest = options.windows ? options.windows->seconds : options.max_seconds;
      if (front_end->max_seconds() > 0 && longest > front_end->max_seconds())
        user_error("data.max_seconds is {}, but stream '{}' takes at most {} s; lower it", longest, stream.name,
                   front_end->max_seconds());
      const int64_t least = std::max(stream.min_samples, front_end->min_samples());
      if (front_end->is_spectrogram()) spectrogram_rates_.insert(static_cast<double>(sample_rate(stream.front_end)));
      streams_.push_back(
          {stream.name, static_cast<double>(sample_rate(stream.front_end)), least, std::move(front_end)});
    }
  }

  ReadClip read(int64_t, const Row& row, DrawKey key) const override {
    if (const auto crop = augmenter_.draw_crop(row, options_.max_seconds, key)) {
      if (auto clip = read_crop(*crop, row, key)) return {.clip = *std::move(clip)};
    }
    audio::Audio audio = audio::decode(row.audio(), options_.max_seconds + kLengthTolerance, audio::part_of(row));
    if (row.seconds == 0)
      user_error("{}: the manifest says that the clip has 0 s, but it has samples", row.audio().shown());
    ReadClip result;
    if (audio.is_cut && !options_.truncates) {
      result.is_too_long = true;
      return result;
    }
    const double apart = std::abs(audio.seconds() - row.seconds);
    const double speed = augmenter_.draw_speed(row.task, audio.seconds(), options_.max_seconds, key);
    const double rate = static_cast<double>(audio.sample_rate) * speed;
    torch::Tensor samples = audio.samples.slice(0, 0, static_cast<int64_t>(options_.max_seconds * rate));
    result.clip = clip_in_windows(augmenter_.change(samples, rate, row.task, key), rate);
    result.clip.is_truncated = audio.is_cut;
    result.clip.is_misdeclared = !audio.is_cut && row.seconds > 0 && audio::is_misdeclared(row.seconds, apart);
    return result;
  }

  // The features of a wave, in windows where it is longer than one.
  Clip clip_in_windows(const torch::Tensor& wave, double rate) const {
    if (!options_.windows) return clip_of(wave, rate);
    const auto [window, overlap] = *options_.windows;
    const auto stretches = window_stretches(static_cast<double>(wave.numel()) / rate, window, overlap);
    if (stretches.size() == 1) return clip_of(wave.slice(0, 0, static_cast<int64_t>(window * rate)), rate);
    Clip clip;
    clip.seconds = static_cast<double>(wave.numel()) / rate;
    clip.is_windowed = true;
    for (const Stretch& stretch : stretches) {
      const int64_t begin = std::llround(stretch.offset * rate);
      // The last one may be longer by the tolerance.
      const int64_t end = std::min<int64_t>(std::llround((stretch.offset + stretch.seconds) * rate),
                                            begin + static_cast<int64_t>(window * rate));
      clip.windows.push_back(clip_of(wave.slice(0, begin, end), rate));
      clip.windows.back().start = static_cast<double>(begin) / rate;
    }
    return clip;
  }

  // The features of a wave of any length.
  Clip clip_of(const torch::Tensor& wave, double rate) const {
    Clip clip;
    const torch::Tensor samples = padded_to(wave, static_cast<int64_t>(std::ceil(min_seconds_ * rate)));
    clip.seconds = static_cast<double>(samples.numel()) / rate;
    std::map<double, torch::Tensor> resampled;  // once for all streams of a rate
    for (const auto& stream : streams_) {
      const auto [at_rate, is_new] = resampled.try_emplace(stream.rate);
      if (is_new) {
        const bool is_exact = spectrogram_rates_.contains(stream.rate);
        at_rate->second = (is_exact ? audio::resample : audio::resample_nearly)(samples, rate, stream.rate);
      }
      const torch::Tensor heard = padded_to(at_rate->second, stream.min_samples);
      clip.samples[stream.name] = heard.numel();
      clip.features[stream.name] = (*stream.front_end)(heard);
    }
    return clip;
  }

 private:
  struct StreamReader {
    std::string name;
    double rate;
    int64_t min_samples;
    std::shared_ptr<const FrontEnd> front_end;
  };
  // Nothing where it cannot be read, which a wrong length in the manifest may be the cause of: the whole clip is tried.
  std::optional<Clip> read_crop(const Crop& crop, const Row& row, DrawKey key) const {
    audio::Audio audio;
    try {
      audio = audio::decode(row.audio(), crop.part.seconds, crop.part);
    } catch (const UserError&) {
      return std::nullopt;
    }
    const double rate = static_cast<double>(audio.sample_rate) * crop.speed;
    return clip_in_windows(augmenter_.change(audio.samples, rate, row.task, key), rate);
  }

  ClipOptions options_;
  Augmenter augmenter_;
  double min_seconds_;
  std::vector<StreamReader> streams_;
  std::set<double> spectrogram_rates_;
};

int64_t bytes_of(const Clip& clip) {
  int64_t bytes = 0;
  for (const auto& [name, features] : clip.features) bytes += static_cast<int64_t>(features.nbytes());
  for (const Clip& window : clip.windows) bytes += bytes_of(window);
  return bytes;
}

class CachingReader final : public ClipReader {
 public:
  CachingReader(std::shared_ptr<const ClipReader> reader, int64_t megabytes)
      : reader_(std::move(reader)), free_bytes_(megabytes * 1000000) {}

  ReadClip read(int64_t index, const Row& row, DrawKey key) const override {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = kept_.find(index); found != kept_.end()) return found->second;
    }
    ReadClip clip = reader_->read(index, row, key);
    const int64_t bytes = 200 + bytes_of(clip.clip);  // and the map's own
    const std::lock_guard lock(mutex_);
    if (bytes <= free_bytes_ && kept_.try_emplace(index, clip).second) free_bytes_ -= bytes;
    return clip;
  }

 private:
  std::shared_ptr<const ClipReader> reader_;
  mutable std::mutex mutex_;
  mutable int64_t free_bytes_;
  mutable std::unordered_map<int64_t, ReadClip> kept_;
};

}  // namespace

Clip read_silence(const DataPlan& plan, const ClipOptions& options) {
  constexpr double kRate = 16000;
  const double seconds = std::min(1.0, options.max_seconds);
  return FileReader(plan, options).clip_of(torch::zeros({static_cast<int64_t>(seconds * kRate)}), kRate);
}

ClipOptions clip_options(const DataConfig& config) {
  const LengthLimit limit = length_limit(config);
  ClipOptions options{limit.seconds, limit.policy == LongAudio::kTruncate, config.augment};
  options.index_dir = config.index_dir.value;
  if (config.window) options.windows = WindowOptions{config.max_seconds, config.window->overlap};
  return options;
}

std::shared_ptr<const ClipReader> make_file_reader(const DataPlan& plan, const ClipOptions& options) {
  return std::make_shared<FileReader>(plan, options);
}

std::shared_ptr<const ClipReader> make_caching_reader(std::shared_ptr<const ClipReader> reader, int64_t megabytes) {
  return std::make_shared<CachingReader>(std::move(reader), megabytes);
}

}  // namespace usam::data
