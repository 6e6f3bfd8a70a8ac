#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/config.h"
#include "data/features/front_end.h"
#include "data/source.h"
#include "src/tensor/rng.h"

namespace usam::data {

// A clip, or that it is too long to be one.
struct ReadClip {
  Clip clip;
  bool is_too_long = false;  // beyond max_seconds where that is not truncated; `clip` is empty
  bool is_recalled = false;  // not read: the recipe's memory had it all
};

// Loads one sample up to its features. Thread-safe.
class ClipReader {
 public:
  virtual ~ClipReader() = default;
  // `key`: what random changes of the wave are drawn from. UserError: audio that cannot be read. The features may be
  // shared with other readers: they must not be written to.
  virtual ReadClip read(int64_t index, const Row& row, DrawKey key) const = 0;
};

// Windows that a longer clip is featurised in: each but the last of `seconds`, with `overlap` seconds of the next.
struct WindowOptions {
  double seconds = 30;
  double overlap = 2;
};

struct ClipOptions {
  double max_seconds = 30;
  bool truncates = true;
  AugmentConfig augment;                            // its wave part; SpecAugment comes after the cache
  std::function<void(const Skipped&)> report = {};  // gets recordings of `augment` that are of no use, from any thread
  std::optional<WindowOptions> windows = {};
  std::string index_dir = "";  // of the manifests of `augment`: data.index_dir
};
// How a data set with this config reads a clip.
ClipOptions clip_options(const DataConfig& config);

// What a reader makes of a second of silence, or of as much as a shorter data.max_seconds lets through.
Clip read_silence(const DataPlan& plan, const ClipOptions& options);
// Decodes the file, cuts it, changes the wave (data/augment/augmenter.h), resamples it straight to each stream's rate,
// pads it to the streams' minimum and computes their features.
std::shared_ptr<const ClipReader> make_file_reader(const DataPlan& plan, const ClipOptions& options);

// Keeps what `reader` returns until `megabytes` of features are held: first come, first kept, none dropped.
std::shared_ptr<const ClipReader> make_caching_reader(std::shared_ptr<const ClipReader> reader, int64_t megabytes);

}  // namespace usam::data
