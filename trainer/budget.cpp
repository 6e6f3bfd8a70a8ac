#include "trainer/budget.h"

#include <algorithm>

namespace usam {

std::optional<int64_t> least_within(int64_t size, int64_t budget, const std::function<int64_t(int64_t)>& need) {
  int64_t fits = size, fails = -1, needed_there = need(size);
  if (needed_there > budget) return std::nullopt;
  int64_t growth = 0;  // the most that one less has cost
  while (fits - fails > 1) {
    const int64_t room = growth > 0 ? (budget - needed_there) / growth : 1;
    const int64_t tried = fits - std::clamp<int64_t>(room, 1, fits - fails - 1), needed = need(tried);
    growth = std::max(growth, (needed - needed_there) / (fits - tried));
    if (needed > budget) {
      fails = tried;
    } else {
      fits = tried, needed_there = needed;
    }
  }
  return fits;
}

}  // namespace usam
