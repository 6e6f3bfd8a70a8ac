#pragma once
// The ids of words met before.
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace usam::text {

inline uint64_t hash_bytes(std::string_view bytes) {
  uint64_t hash = 0x9E3779B97F4A7C15 ^ bytes.size();
  const auto mix = [&hash](uint64_t value) {
    hash = (hash ^ value) * 0xD6E8FEB86659FD93;
    hash ^= hash >> 32;
  };
  size_t at = 0;
  for (uint64_t eight = 0; at + 8 <= bytes.size(); at += 8) {
    std::memcpy(&eight, bytes.data() + at, 8);
    mix(eight);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
  mix(rest);
  return hash;
}

// Bounded: it starts anew when it is full. Not thread-safe; see WordCaches.
class WordCache {
 public:
  static constexpr size_t kMaxWord = 64;  // bytes; longer words are not kept

  WordCache();
  // Appends the word's ids where they are known.
  bool append(std::string_view word, uint64_t hash, std::vector<int64_t>& ids) const;
  void insert(std::string_view word, uint64_t hash, const uint32_t* ids, size_t count);

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t text = 0, ids = 0;
    uint16_t text_size = 0, ids_size = 0;  // text_size 0: empty
  };
  void clear();

  std::vector<Slot> slots_;
  size_t used_ = 0;
  std::string texts_;
  std::vector<uint32_t> ids_;
};

// A cache for everybody who encodes at the moment; they outlive the call.
class WordCaches {
 public:
  std::unique_ptr<WordCache> take();
  void give_back(std::unique_ptr<WordCache> cache);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<WordCache>> idle_;
};

}  // namespace usam::text
