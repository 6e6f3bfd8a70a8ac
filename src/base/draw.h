#pragma once
// Counter-based randomness: every draw is a pure function of what it is for, never of who draws or of what was drawn
// before.
#include <cstdint>
#include <string_view>

namespace usam {

// A 64-bit key made from a seed and what the draw is for: draw_key(seed, "dropout", step, micro_batch).
class DrawKey {
 public:
  explicit DrawKey(uint64_t seed) : state_(seed) {}
  DrawKey with(uint64_t value) const;
  DrawKey with(std::string_view text) const;
  uint64_t value() const;  // well mixed (SplitMix64)

 private:
  uint64_t state_;
};

template <class... Parts>
DrawKey draw_key(uint64_t seed, const Parts&... parts) {
  DrawKey key(seed);
  ((key = key.with(parts)), ...);
  return key;
}

// The i-th number of a key's stream in [0, 1).
double uniform(DrawKey key, uint64_t i = 0);
// The i-th integer of a key's stream in [0, bound).
uint64_t below(DrawKey key, uint64_t bound, uint64_t i = 0);
}  // namespace usam
