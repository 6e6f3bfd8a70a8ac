#pragma once
#include <string>
#include <vector>

#include "src/eval/html/markup.h"

namespace usam::inspect {

// A histogram as an SVG with a caption; on a logarithmic axis where all values are above 0 and it is asked for. Each
// bar tells its bounds and its count. Nothing of fewer than two values.
eval::html::Markup histogram(const std::string& caption, const std::vector<float>& values, bool is_logarithmic);
// What it looks like.
std::string plot_style();

}  // namespace usam::inspect
