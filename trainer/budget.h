#pragma once
#include <cstdint>
#include <functional>
#include <optional>

namespace usam {

// The least count in [0, size] with need(count) <= budget, where need falls as the count grows; nothing where even
// need(size) is more. It asks from `size` downwards, each time for as much less as the growth seen so far allows, so
// that what is tried stays near the budget.
std::optional<int64_t> least_within(int64_t size, int64_t budget, const std::function<int64_t(int64_t)>& need);

}  // namespace usam
