#pragma once
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "src/tensor/rng.h"

namespace usam::data {

// Shuffles in place by the key alone (Fisher and Yates): the same on every machine.
template <class T>
void shuffle(std::vector<T>& items, DrawKey key) {
  for (uint64_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(key, i, i)]);
}

inline std::vector<int64_t> permutation(int64_t size, DrawKey key) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  shuffle(order, key);
  return order;
}

}  // namespace usam::data
