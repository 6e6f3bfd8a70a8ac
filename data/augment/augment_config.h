#pragma once
// The `data.augment:` map of a config: changes of training clips, drawn anew for each appearance of a clip.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config.h"

namespace usam::data {

// SpecAugment (arXiv 1904.08779) without time warping, on log-mel features. A mask's width is drawn from 0 to the given
// one; a time mask never takes more than a fifth of the clip. Masked cells take the clip's mean.
struct SpecAugmentConfig {
  int64_t time_masks = 0;
  int64_t time_width = 40;  // frames of 10 ms
  int64_t frequency_masks = 0;
  int64_t frequency_width = 12;    // mel bands
  std::vector<std::string> tasks;  // whose clips are masked; empty: all

  bool is_on() const { return time_masks > 0 || frequency_masks > 0; }
};

// A stretch as long as is drawn from the range is left of a clip that is longer.
struct CropConfig {
  std::vector<double> seconds;  // [shortest, longest]
  double probability = 1;
  std::vector<std::string> tasks;  // whose labels fit any stretch of their clips
};

// Rooms' impulse responses that clips are convolved with.
struct ReverbConfig {
  Path manifest;
  double probability = 1;
  std::vector<std::string> tasks;  // empty: all
};

// Recordings that are added to clips.
struct MixConfig {
  Path manifest;
  std::vector<double> snr_db;  // [lowest, highest] ratio of the clip's power to the recording's
  double probability = 1;
  std::vector<std::string> tasks;  // empty: all
};

// In the order in which they are done.
struct AugmentConfig {
  std::vector<double> speed;             // factors of which one is drawn; empty: none
  std::vector<std::string> speed_tasks;  // whose clips change their speed; empty: all
  std::optional<CropConfig> crop;
  std::optional<ReverbConfig> reverb;
  double tilt_db = 0;                           // spectral slope drawn from -tilt_db to tilt_db, 0 Hz to the highest
  std::vector<MixConfig> noise, music;          // each entry is drawn by itself
  std::optional<std::vector<double>> noise_db;  // [lowest, highest] signal-to-noise ratio of white or pink noise
  double gain_db = 0;                           // gain drawn from -gain_db to gain_db
  SpecAugmentConfig spec;
  int64_t recordings_memory = 256;  // MB of noise, music and rooms that are kept decoded

  bool changes_wave() const {
    return !speed.empty() || crop || reverb || tilt_db > 0 || !noise.empty() || !music.empty() || noise_db ||
           gain_db > 0;
  }
  // The tasks that any of the lists above names, each once.
  std::vector<std::string> named_tasks() const;
};

// Whether a list of tasks holds one; an empty list holds all.
bool takes_task(const std::vector<std::string>& tasks, const std::string& task);

void describe(Fields& f, SpecAugmentConfig& c);
void describe(Fields& f, CropConfig& c);
void describe(Fields& f, ReverbConfig& c);
void describe(Fields& f, MixConfig& c);
void describe(Fields& f, AugmentConfig& c);

}  // namespace usam::data
