#include "src/base/draw.h"

namespace usam {
namespace {

__extension__ using Uint128 = unsigned __int128;  // no ISO type, which g++ would warn of

uint64_t split_mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

DrawKey DrawKey::with(uint64_t value) const {
  return DrawKey(split_mix(state_) ^ split_mix(value + 0x632be59bd9b4e019ULL));
}

DrawKey DrawKey::with(std::string_view text) const {
  uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, then mixed
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3ULL;
  return with(hash);
}

uint64_t DrawKey::value() const {
  return split_mix(state_);
}

double uniform(DrawKey key, uint64_t i) {
  return static_cast<double>(key.with(i).value() >> 11) * 0x1.0p-53;
}

uint64_t below(DrawKey key, uint64_t bound, uint64_t i) {
  return static_cast<uint64_t>((static_cast<Uint128>(key.with(i).value()) * bound) >> 64);
}

}  // namespace usam
