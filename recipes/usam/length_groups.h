#pragma once
#include <cstdint>
#include <vector>

namespace usam::recipes {

// Splits the rows of a padded batch into groups of similar length, so that a pass over each, padded to its own longest
// row, costs the least in all: a pass costs its rows times its longest, and `overhead` once, in the unit of `lengths`.
// Groups go from the shortest rows to the longest.
std::vector<std::vector<int64_t>> length_groups(const std::vector<double>& lengths, double overhead);

}  // namespace usam::recipes
