#pragma once
// What AugmentConfig does to the wave of a training clip, in the order of its fields: speed, crop, reverberation,
// spectral slope, recordings of noise and of music, white or pink noise, gain. Recordings and noise are set against the
// power of the whole clip as it is before any of them is added. All of it is a function of the clip, the recordings'
// files and the clip's DrawKey.
#include <torch/torch.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/audio/decode.h"
#include "data/augment/recordings.h"
#include "data/config.h"
#include "data/source.h"
#include "src/tensor/rng.h"

namespace usam::data {

// Which part of a row's recording a crop leaves, and how much faster it is played.
struct Crop {
  audio::Part part;
  double speed = 1;
};

// Thread-safe.
class Augmenter {
 public:
  // Opens the manifests of recordings, with their indices in `index_dir` (data.index_dir); `report` gets those that
  // turn out to be of no use. UserError as of Recordings.
  Augmenter(const AugmentConfig& config, Recordings::Report report, const std::string& index_dir = "");

  // Drawn before a clip is decoded: a crop, from anywhere in the row's recording, `max_seconds` long at most once it is
  // played at its speed. Nothing where none is drawn or where the row is no longer than it.
  std::optional<Crop> draw_crop(const Row& row, double max_seconds, DrawKey key) const;
  // The speed factor of a clip that is not cropped, of `seconds`: 1 where the slowed clip would exceed `max_seconds`.
  double draw_speed(const std::string& task, double seconds, double max_seconds, DrawKey key) const;
  // What comes after speed and crop. samples (n) at `rate` Hz, the speed included; silence stays silent.
  torch::Tensor change(const torch::Tensor& samples, double rate, const std::string& task, DrawKey key) const;

 private:
  struct Mix {
    MixConfig config;
    std::shared_ptr<const Recordings> recordings;
    std::string use;  // what is drawn for: "noise 0"
  };
  torch::Tensor with_recordings(const torch::Tensor& x, double rate, const std::string& task, DrawKey key) const;

  AugmentConfig config_;
  std::shared_ptr<const Recordings> rooms_;
  std::vector<Mix> mixes_;
};

}  // namespace usam::data
