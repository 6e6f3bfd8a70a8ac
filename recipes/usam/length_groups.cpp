#include "recipes/usam/length_groups.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace usam::recipes {

std::vector<std::vector<int64_t>> length_groups(const std::vector<double>& lengths, double overhead) {
  const size_t n = lengths.size();
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto length = [&](size_t place) { return lengths[static_cast<size_t>(order[place])]; };
  std::ranges::stable_sort(order, {}, [&](int64_t row) { return lengths[static_cast<size_t>(row)]; });
  // least[i]: the cheapest way for the i shortest rows; begin[i]: where its last group begins.
  std::vector<double> least(n + 1, std::numeric_limits<double>::infinity());
  std::vector<size_t> begin(n + 1, 0);
  least[0] = 0;
  for (size_t end = 1; end <= n; ++end)
    for (size_t first = 0; first < end; ++first) {
      const double cost = least[first] + overhead + static_cast<double>(end - first) * length(end - 1);
      if (cost < least[end]) least[end] = cost, begin[end] = first;
    }
  std::vector<std::vector<int64_t>> groups;
  for (size_t end = n; end > 0; end = begin[end])
    groups.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(begin[end]),
                        order.begin() + static_cast<std::ptrdiff_t>(end));
  std::ranges::reverse(groups);
  return groups;
}

}  // namespace usam::recipes
