#pragma once
// The `data:` map of a config (architecture.md section 3).
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/base/config.h"

namespace usam::data {

// A manifest and how often its rows are seen in an epoch on average: 1 once, 2 twice, 0.5 a random half of them each
// epoch.
struct ManifestConfig {
  Path path;
  double weight = 1;
};

// What a micro-batch may hold: padded audio (rows times the longest clip's seconds), rows, or both.
struct BudgetConfig {
  std::optional<double> seconds;
  std::optional<int64_t> rows;
};

enum class OnError { kSkip, kFail };
enum class LongAudio { kError, kDrop, kTruncate, kWindow };

// SpecAugment (arXiv 1904.08779) without time warping, on log-mel features. A mask's width is drawn from 0 to the given
// one; a time mask never takes more than a fifth of the clip. Masked cells take the clip's mean.
struct SpecAugmentConfig {
  int64_t time_masks = 0;
  int64_t time_width = 40;  // frames of 10 ms
  int64_t frequency_masks = 0;
  int64_t frequency_width = 12;  // mel bands

  bool is_on() const { return time_masks > 0 || frequency_masks > 0; }
};

// Changes of a training clip, drawn anew for each epoch: of the wave (speed, slope, noise, gain) and of its spectrogram
// (spec).
struct AugmentConfig {
  SpecAugmentConfig spec;
  std::vector<double> speed;                    // factors of which one is drawn; empty: none
  double gain_db = 0;                           // gain drawn from -gain_db to gain_db
  double tilt_db = 0;                           // spectral slope drawn from -tilt_db to tilt_db, 0 Hz to the highest
  std::optional<std::vector<double>> noise_db;  // [lowest, highest] signal-to-noise ratio of white or pink noise

  bool changes_wave() const { return !speed.empty() || gain_db > 0 || tilt_db > 0 || noise_db.has_value(); }
};

struct DataConfig {
  std::vector<ManifestConfig> train, valid, test;
  BudgetConfig batch;
  bool shuffle = true;
  int64_t threads = 4;  // loader threads; 0: load only while training waits for it
  OnError on_error = OnError::kSkip;
  double max_skipped = 0.01;  // share of an epoch's rows that may be unreadable
  LongAudio long_audio = LongAudio::kTruncate;
  double max_seconds = 30;
  int64_t cache_memory = 0;  // MB for featurised clips that are kept from epoch to epoch
  AugmentConfig augment;
};

void describe(Fields& f, ManifestConfig& c);
void describe(Fields& f, BudgetConfig& c);
void describe(Fields& f, SpecAugmentConfig& c);
void describe(Fields& f, AugmentConfig& c);
void describe(Fields& f, DataConfig& c);

}  // namespace usam::data
