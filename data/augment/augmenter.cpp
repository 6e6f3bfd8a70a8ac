#include "data/augment/augmenter.h"

#include <algorithm>
#include <cmath>

#include "data/augment/mix.h"
#include "data/augment/reverb.h"
#include "data/augment/wave_augment.h"
#include "src/base/error.h"

namespace usam::data {
namespace {

double between(const std::vector<double>& range, double share) {
  return range.at(0) + (range.at(1) - range.at(0)) * share;
}

// Whether a change is made to a clip; `key` is the change's own.
template <class Config>
bool is_drawn(const Config& config, const std::string& task, DrawKey key) {
  return takes_task(config.tasks, task) && uniform(key.with("whether")) < config.probability;
}

}  // namespace

Augmenter::Augmenter(const AugmentConfig& config, Recordings::Report report, const std::string& index_dir)
    : config_(config) {
  const auto cache = std::make_shared<WaveCache>(config.recordings_memory);
  const auto open = [&](const std::string& option, const Path& manifest) {
    return std::make_shared<const Recordings>("data.augment." + option, manifest.value, cache, report, index_dir);
  };
  if (config.reverb) rooms_ = open("reverb", config.reverb->manifest);
  for (const auto& [name, mixes] : {std::pair("noise", &config.noise), {"music", &config.music}}) {
    for (size_t i = 0; i < mixes->size(); ++i)
      mixes_.push_back({mixes->at(i), open(name, mixes->at(i).manifest), fmt::format("{} {}", name, i)});
  }
}

std::optional<Crop> Augmenter::draw_crop(const Row& row, double max_seconds, DrawKey key) const {
  if (!config_.crop || !is_drawn(*config_.crop, row.task, key.with("crop"))) return std::nullopt;
  const DrawKey draw = key.with("crop");
  const double seconds = std::min(between(config_.crop->seconds, uniform(draw, 0)), max_seconds);
  const double speed = draw_speed(row.task, 0, max_seconds, key), heard = seconds * speed;
  if (!(row.seconds > heard)) return std::nullopt;
  const double begin = row.audio().is_part ? row.audio().offset : 0;
  return Crop{{begin + uniform(draw, 1) * (row.seconds - heard), heard}, speed};
}

double Augmenter::draw_speed(const std::string& task, double seconds, double max_seconds, DrawKey key) const {
  if (config_.speed.empty() || !takes_task(config_.speed_tasks, task)) return 1;
  const double speed = config_.speed[below(key.with("speed"), config_.speed.size())];
  return seconds / speed > max_seconds ? 1 : speed;
}

torch::Tensor Augmenter::change(const torch::Tensor& samples, double rate, const std::string& task, DrawKey key) const {
  const at::NoGradGuard no_grad;
  torch::Tensor x = samples;
  if (rooms_ && is_drawn(*config_.reverb, task, key.with("reverb"))) {
    const torch::Tensor response = rooms_->draw_response(rate, key.with("reverb"));
    if (response.defined()) x = reverberate(x, response);
  }
  if (config_.tilt_db > 0 && x.numel() > 1) x = tilted(x, config_.tilt_db * (2 * uniform(key.with("tilt")) - 1));
  if (config_.noise_db || !mixes_.empty()) x = with_recordings(x, rate, task, key);
  if (config_.gain_db > 0) x = x * std::pow(10, config_.gain_db * (2 * uniform(key.with("gain")) - 1) / 20);
  return x;
}

torch::Tensor Augmenter::with_recordings(const torch::Tensor& x, double rate, const std::string& task,
                                         DrawKey key) const {
  const double power = mean_power(x);
  if (power <= 0) return x;
  torch::Tensor sum = x;
  for (const Mix& mix : mixes_) {
    const DrawKey draw = key.with(mix.use);
    if (!is_drawn(mix.config, task, draw)) continue;
    const torch::Tensor stretch = mix.recordings->draw_stretch(x.numel(), rate, draw);
    if (!stretch.defined()) continue;
    const torch::Tensor added = at_ratio(power, stretch, between(mix.config.snr_db, uniform(draw, 0)));
    if (added.defined()) sum = sum + added;
  }
  if (!config_.noise_db) return sum;
  const DrawKey draw = key.with("noise");
  const bool is_pink = below(draw, 2, 1) == 1;
  return sum + at_ratio(power, unit_noise(x.numel(), is_pink, draw.with("samples")),
                        between(*config_.noise_db, uniform(draw, 0)));
}

}  // namespace usam::data
