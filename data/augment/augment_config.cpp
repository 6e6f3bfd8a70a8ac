#include "data/augment/augment_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace usam::data {
namespace {

// Tasks whose label is what is said in the clip from its beginning to its end, by the names that data sets use.
constexpr std::array kTranscripts = {"ASR", "AST", "S2TT", "ST"};

bool is_range(const std::vector<double>& range) {
  return range.size() == 2 && range[0] <= range[1];
}

template <class C>
Field& describe_choice(Fields& f, C& c, const char* tasks) {
  f("probability", c.probability, "share of the clips that it is done to").at_least(0).at_most(1);
  return f("tasks", c.tasks, tasks).or_single();
}

}  // namespace

bool takes_task(const std::vector<std::string>& tasks, const std::string& task) {
  return tasks.empty() || std::ranges::find(tasks, task) != tasks.end();
}

std::vector<std::string> AugmentConfig::named_tasks() const {
  std::set<std::string> all(speed_tasks.begin(), speed_tasks.end());
  const auto add = [&all](const std::vector<std::string>& tasks) { all.insert(tasks.begin(), tasks.end()); };
  if (crop) add(crop->tasks);
  if (reverb) add(reverb->tasks);
  for (const auto& mix : noise) add(mix.tasks);
  for (const auto& mix : music) add(mix.tasks);
  add(spec.tasks);
  return {all.begin(), all.end()};
}

void describe(Fields& f, SpecAugmentConfig& c) {
  f("time_masks", c.time_masks, "masked stretches of time").at_least(0);
  f("time_width", c.time_width, "longest of them, in frames of 10 ms").at_least(1);
  f("frequency_masks", c.frequency_masks, "masked ranges of mel bands").at_least(0);
  f("frequency_width", c.frequency_width, "widest of them, in bands").at_least(1);
  f("tasks", c.tasks, "tasks whose clips are masked; none named: all").or_single();
}

void describe(Fields& f, CropConfig& c) {
  f("seconds", c.seconds, "[shortest, longest] stretch that is left of a longer clip").required().more_than(0);
  describe_choice(f, c, "tasks whose labels fit any stretch of their clips").required();
  f.rule([&c]() -> std::string {
    if (!is_range(c.seconds)) return "'seconds' of 'crop' must be a range [shortest, longest]";
    if (c.tasks.empty()) return "'crop' needs 'tasks': those whose labels fit any stretch of their clips";
    for (const auto& task : c.tasks)
      if (std::ranges::find(kTranscripts, task) != kTranscripts.end())
        return fmt::format(
            "'crop' is refused for the task {}: its label is all that is said in the clip, and would no "
            "longer fit a part of it",
            task);
    return "";
  });
}

void describe(Fields& f, ReverbConfig& c) {
  f("manifest", c.manifest, "manifest of rooms' impulse responses").required().must_exist();
  describe_choice(f, c, "tasks whose clips are reverberated; none named: all");
}

void describe(Fields& f, MixConfig& c) {
  f("manifest", c.manifest, "manifest of recordings that are added to clips").required().must_exist();
  f("snr_db", c.snr_db, "[lowest, highest] signal-to-noise ratio").required().at_least(-20).at_most(120);
  describe_choice(f, c, "tasks whose clips they are added to; none named: all");
  f.rule([&c] { return std::string(is_range(c.snr_db) ? "" : "'snr_db' must be a range [lowest, highest]"); });
}

void describe(Fields& f, AugmentConfig& c) {
  f("speed", c.speed, "speed factors of which one is drawn for each clip; pitch changes with it")
      .at_least(0.5)
      .at_most(2);
  f("speed_tasks", c.speed_tasks, "tasks whose clips change their speed; none named: all").or_single();
  f("crop", c.crop, "random stretches of clips");
  f("reverb", c.reverb, "convolution with rooms' impulse responses");
  f("tilt_db", c.tilt_db,
    "spectral slope, in dB between 0 Hz and half the sampling rate, is drawn from -tilt_db to tilt_db")
      .at_least(0)
      .at_most(40);
  f("noise", c.noise, "recordings of noise that are added, each entry by itself").or_single();
  f("music", c.music, "recordings of music that are added, each entry by itself").or_single();
  f("noise_db", c.noise_db, "[lowest, highest] signal-to-noise ratio of added white or pink noise")
      .at_least(-20)
      .at_most(120);
  f("gain_db", c.gain_db, "gain is drawn from -gain_db to gain_db").at_least(0).at_most(60);
  f("spec", c.spec, "SpecAugment on log-mel features");
  f("recordings_memory", c.recordings_memory, "MB of noise, music and rooms that are kept decoded")
      .at_least(0)
      .resumable();
  f.rule([&c]() -> std::string {
    if (c.noise_db && !is_range(*c.noise_db)) return "'noise_db' must be a range [lowest, highest]";
    if (c.speed.empty() && !c.speed_tasks.empty()) return "'speed_tasks' needs 'speed'";
    return "";
  });
}

}  // namespace usam::data
