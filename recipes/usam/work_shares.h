#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace usam::recipes {

// Items of one kind that one thread works on together.
struct WorkShare {
  size_t kind = 0;
  std::vector<int64_t> items;
};

// Cuts shares into halves until `threads` threads, each of which takes the costliest that is left, end at about the
// same time. Gives them from the costliest on; none where the last of those threads would end after more than `most`.
std::vector<WorkShare> even_shares(std::vector<WorkShare> shares, int64_t threads, double most,
                                   const std::function<double(const WorkShare&)>& cost);

}  // namespace usam::recipes
