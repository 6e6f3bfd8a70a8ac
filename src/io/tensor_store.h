#pragma once
// Tensors by key in a folder that many processes write and read at once: a cache on disk.
#include <torch/torch.h>

#include <condition_variable>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "src/io/safetensors.h"

namespace usam::io {

// A tensor with a line of text that belongs to it.
struct StoredTensor {
  torch::Tensor tensor;
  std::string note;
};

// A folder of safetensors files ("shards") that are written whole and never change. Nothing in it is trusted: a shard
// that is torn or of another kind is left alone and left out, one with an entry whose checksum is wrong is removed,
// each with a line in the log; what it held is absent then, and may be put again. A folder that cannot be written to is
// told once, and nothing more is added. Thread-safe. Of a process that is killed, what is in no whole shard is lost.
class TensorStore {
 public:
  // Opens what is in the folder, which may be absent: it is made with the first shard. `kind`: what every shard must
  // say of itself. Entries are collected until they have `shard_bytes`.
  TensorStore(std::string folder, std::string kind, int64_t shard_bytes);
  // Writes what has been collected.
  ~TensorStore();
  TensorStore(const TensorStore&) = delete;
  TensorStore& operator=(const TensorStore&) = delete;

  // Writes what has been collected and opens what other processes have written.
  void refresh();
  bool contains(const std::string& key) const;
  // The tensor is a view of the file, or of what was put, and must not be written to. An entry's checksum is compared
  // when it is first asked for.
  std::optional<StoredTensor> find(const std::string& key) const;
  // Keeps a tensor in host memory; not one whose key there is already. The shard that it fills is written by a thread.
  void put(const std::string& key, StoredTensor value);

  const std::string& folder() const { return folder_; }
  int64_t bytes() const;  // of all entries
  int64_t size() const;   // entries

 private:
  struct Shard {
    std::string path;
    SafetensorsFile file;
  };
  using Entries = std::unordered_map<std::string, StoredTensor>;

  void scan();
  void remove_leftovers() const;
  std::shared_ptr<const Shard> open(const std::string& path) const;
  void add(const std::shared_ptr<const Shard>& shard) const;
  void drop(const std::shared_ptr<const Shard>& shard) const;
  void write_collected(std::unique_lock<std::mutex>& lock);
  void write(const std::string& path);

  const std::string folder_, kind_;
  const int64_t shard_bytes_;
  mutable std::mutex mutex_;  // guards all below
  mutable std::unordered_map<std::string, std::shared_ptr<const Shard>> index_;
  mutable std::unordered_set<std::string> checked_;  // keys whose checksum was right
  mutable int64_t bytes_ = 0;                        // in the index
  std::unordered_set<std::string> seen_;             // files that were looked at
  Entries collected_, under_way_;                    // for the next shard; of the one that is being written
  int64_t collected_bytes_ = 0;
  bool is_closed_ = false;   // it could not be written to
  bool is_writing_ = false;  // a thread writes what is under way
  std::condition_variable idle_;
  std::future<void> writer_;
};

}  // namespace usam::io
