#pragma once
// Byte-pair encoding of one word at a time.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "src/text/tokenizer_spec.h"
#include "src/text/word_cache.h"

namespace usam::text {

// GPT-2's alphabet: the character that stands for a byte, and its way back (-1 for characters that stand for none).
const std::array<std::string, 256>& byte_characters();
int byte_of_character(char32_t point);

class Bpe {
 public:
  // `byte_level`: words are given as bytes. `special`: ids that text never becomes, whatever the merges say. Throws
  // UserError that names `origin` for merges whose tokens are not in the vocabulary.
  Bpe(const BpeSpec& spec, bool byte_level, const std::unordered_set<int64_t>& special, const std::string& origin);

  // Appends the ids of a word. Words of n characters take O(n log n). Thread-safe for different caches.
  void encode(std::string_view word, WordCache& cache, std::vector<int64_t>& ids) const;
  // The id of a token as the file writes it, or -1.
  int64_t find_token(std::string_view token) const;

 private:
  struct Merge {
    uint64_t pair = kNoPair;
    uint32_t rank = 0, id = 0;
  };
  static constexpr uint64_t kNoPair = ~uint64_t{0};
  // What a character begins as: its own token, the tokens of its bytes, or none.
  struct Start {
    enum class Kind { kToken, kBytes, kUnknown } kind = Kind::kUnknown;
    std::vector<uint32_t> ids;
  };

  void index_tokens(const BpeSpec& spec, const std::unordered_set<int64_t>& special);
  void index_merges(const BpeSpec& spec, const std::unordered_set<int64_t>& special, const std::string& origin);
  Start start_of(std::string_view character) const;

  const Merge* find_merge(uint32_t left, uint32_t right) const;
  std::vector<uint32_t> symbols_of(std::string_view word) const;
  void merge_short(std::vector<uint32_t>& symbols) const;
  void merge_long(std::vector<uint32_t>& symbols) const;

  bool byte_level_, fuse_unknown_, byte_fallback_, ignore_merges_;
  int64_t unknown_ = -1;
  std::string arena_;  // the tokens' texts
  struct Slot {
    uint32_t begin = 0, size = 0;
    int64_t id = -1;
  };
  std::vector<Slot> slots_;  // open addressing, a power of two
  std::vector<Slot> whole_;  // tokens that a whole word may be, by their bytes (ignore_merges)
  std::vector<Merge> merges_;
  std::array<Start, 256> byte_starts_;
};

}  // namespace usam::text
