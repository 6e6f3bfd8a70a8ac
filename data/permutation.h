#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

#include "src/base/draw.h"

namespace usam::data {

// A permutation of 0 .. size-1 that is drawn from a key and computed for one index at a time, in constant time and
// without memory: the swap-or-not shuffle of Hoang, Morris and Rogaway (CRYPTO 2012). Each round reflects all indices
// at a pivot and swaps each of the pairs that this gives, or not, by a bit of its own. Unlike a Feistel network it
// takes any size, small ones included, as it is (no cycle walking), and comes as close to a uniform permutation as
// wanted with the number of rounds.
class Permutation {
 public:
  Permutation(int64_t size, DrawKey key) : size_(static_cast<uint64_t>(size)) {
    for (size_t r = 0; r < kRounds; ++r) {
      rounds_[r] = {size > 0 ? below(key, size_, 2 * r) : 0, key.with(uint64_t{2 * r + 1}).value()};
    }
  }

  int64_t size() const { return static_cast<int64_t>(size_); }
  // Where an index of 0 .. size-1 goes.
  int64_t operator()(int64_t index) const {
    auto x = static_cast<uint64_t>(index);
    for (const Round& round : rounds_) x = apply(round, x);
    return static_cast<int64_t>(x);
  }
  // The index that goes to `value`: each round is its own inverse.
  int64_t inverse(int64_t value) const {
    auto x = static_cast<uint64_t>(value);
    for (size_t r = kRounds; r-- > 0;) x = apply(rounds_[r], x);
    return static_cast<int64_t>(x);
  }

 private:
  // A given index stays where it is, or two indices keep their distance, in all rounds with a chance of 2^-kRounds.
  static constexpr size_t kRounds = 32;
  struct Round {
    uint64_t pivot, salt;
  };

  uint64_t apply(const Round& round, uint64_t x) const {
    const uint64_t mirrored = round.pivot >= x ? round.pivot - x : round.pivot + size_ - x;
    uint64_t bits = (std::max(x, mirrored) + round.salt) * 0xbf58476d1ce4e5b9ULL;
    bits = (bits ^ (bits >> 29)) * 0x94d049bb133111ebULL;
    return (bits >> 63) != 0 ? mirrored : x;
  }

  uint64_t size_;
  std::array<Round, kRounds> rounds_;
};

}  // namespace usam::data
