#pragma once
// The `data:` map of a config: where rows come from, what a micro-batch holds, what is done to clips.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/augment/augment_config.h"
#include "data/blend.h"
#include "src/base/config.h"

namespace usam::data {

// A source of rows (docs/data.md) and how often they are seen in an epoch on average: 1 once, 2 twice, 0.5 a random
// half of them each epoch.
struct ManifestConfig {
  Path path;
  double weight = 1;
  std::string format = "auto";                     // sources/open.h names them
  std::string task = "", prompt = "";              // of rows that name none
  std::map<std::string, std::string> tasks = {};   // what its rows call a task -> what the run calls it
  Path tars = {};                                  // of a nemo_tarred manifest; empty: beside it
  Path audio_root = {};                            // of relative paths; empty: the manifest's folder
  std::map<std::string, std::string> prefix = {};  // moved data: how paths begin -> how they begin now
};

// What a micro-batch may hold: padded audio (rows times the longest clip's seconds), padded tokens (rows times the
// longest sequence of the language model, audio and text), rows, or several of them. With a quadratic term Q a length
// of s counts as s + s^2 / Q.
struct BudgetConfig {
  std::optional<double> seconds = {};
  std::optional<int64_t> rows = {}, tokens = {};
  std::optional<double> quadratic_seconds = {}, quadratic_tokens = {};
};

enum class OnError { kSkip, kFail };
enum class LongAudio { kError, kDrop, kTruncate, kWindow };

// long_audio: window. Clips above max_seconds are encoded in windows of max_seconds.
struct WindowConfig {
  double overlap = 2;                        // seconds that a window shares with the next
  double max_seconds = 0;                    // longest clip
  LongAudio long_audio = LongAudio::kError;  // what is done to longer ones; not kWindow
};

struct DataConfig {
  std::vector<ManifestConfig> train, valid, test;
  Path index_dir;  // where indices of large manifests are kept; empty: beside them, or in the user's cache
  BudgetConfig batch;
  bool shuffle = true;
  int64_t threads = 4;  // loader threads; 0: load only while training waits for it
  OnError on_error = OnError::kSkip;
  double max_skipped = 0.01;  // share of an epoch's rows that may be unreadable
  LongAudio long_audio = LongAudio::kTruncate;
  double max_seconds = 30;
  std::optional<WindowConfig> window;  // with long_audio: window
  int64_t cache_memory = 0;            // MB for featurised clips that are kept from epoch to epoch
  AugmentConfig augment;
  BlendConfig blend;                    // how often training rows are seen: docs/blending.md
  std::vector<PhaseConfig> curriculum;  // empty: one phase, with the manifests' weights
};

// Up to which length clips are taken and what is done to longer ones, with the keys that say so: those of `data`, or
// with long_audio: window those of `data.window`.
struct LengthLimit {
  double seconds = 0;
  LongAudio policy = LongAudio::kError;  // not kWindow
  std::string prefix;                    // of the keys: "data." or "data.window."
};
LengthLimit length_limit(const DataConfig& config);

void describe(Fields& f, ManifestConfig& c);
void describe(Fields& f, BudgetConfig& c);
void describe(Fields& f, WindowConfig& c);
void describe(Fields& f, DataConfig& c);

}  // namespace usam::data
