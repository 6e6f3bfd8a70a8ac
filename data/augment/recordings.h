#pragma once
#include <torch/torch.h>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "data/audio/decode.h"
#include "data/batch.h"
#include "data/source.h"
#include "src/tensor/rng.h"

namespace usam::data {

// Decoded recordings, those last used, as many as fit. Thread-safe.
class WaveCache {
 public:
  explicit WaveCache(int64_t megabytes) : free_bytes_(megabytes * 1000000) {}
  // What `decode` gives, kept under `key`. Two threads may decode the same at once.
  audio::Audio get(const std::string& key, const std::function<audio::Audio()>& decode);

 private:
  struct Kept {
    std::string key;
    audio::Audio audio;
  };
  std::mutex mutex_;
  int64_t free_bytes_;
  std::list<Kept> kept_;  // the last used first
  std::map<std::string, std::list<Kept>::iterator> by_key_;
};

// The recordings of a manifest that clips are mixed or convolved with. Thread-safe; what is drawn is a function of the
// key and the files alone, whatever the cache holds.
class Recordings {
 public:
  using Report = std::function<void(const Skipped&)>;

  // `option`: the config's key, for messages. `report` gets each recording that turns out to be of no use, once, from
  // any thread. `index_dir`: data.index_dir. UserError: a manifest that cannot be used, or whose first recordings
  // cannot be read, not one of them.
  Recordings(std::string option, const std::string& manifest, std::shared_ptr<WaveCache> cache, Report report,
             const std::string& index_dir = "");

  // (n) float32 at `rate` Hz: a random stretch of a random recording, which is looped with crossfades of 20 ms where it
  // is shorter. A recording that cannot be read gives its place to another; undefined where eight of eight cannot.
  torch::Tensor draw_stretch(int64_t n, double rate, DrawKey key) const;
  // The first ten seconds of a random recording, at `rate` Hz; undefined as above.
  torch::Tensor draw_response(double rate, DrawKey key) const;

 private:
  template <class Read>
  torch::Tensor draw(DrawKey key, const Read& read) const;
  torch::Tensor stretch_of(const Row& row, int64_t n, double rate, DrawKey key) const;
  audio::Audio decode_kept(const Row& row, double max_seconds) const;
  void note_unusable(int64_t index, const Row& row, const std::string& reason) const;
  void require_some() const;

  std::string option_;
  std::shared_ptr<const Source> source_;
  std::shared_ptr<WaveCache> cache_;
  Report report_;
  mutable std::mutex mutex_;
  mutable std::set<int64_t> unusable_;  // rows that were reported
};

}  // namespace usam::data
