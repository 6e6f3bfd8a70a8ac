#pragma once
// Curves over the steps of a run as SVG.
#include <string>
#include <vector>

#include "src/eval/html/markup.h"
#include "tools/inspect/report/metrics.h"

namespace usam::inspect {

struct Curve {
  std::string name;
  Points points;
  size_t colour = 0;  // curves of one number have one colour in all charts
  // kNoisy: each value is a matter of its samples, so a running mean is drawn over them; kSparse: each is marked.
  enum class Kind { kSmooth, kNoisy, kSparse };
  Kind kind = Kind::kSmooth;
};

struct Chart {
  std::string title, unit;
  std::vector<Curve> curves;
  bool is_linear = false;  // whatever its values are
  // Steps that are marked: where the run was resumed, where a step was dropped.
  std::vector<double> resumed, dropped;
};

// The chart in a figure, with axes, ticks and a legend that tells the last values, or those under the pointer. A curve
// of more values than pixels is drawn as the mean of each pixel's within a band of their least and largest. Where all
// values are positive and far apart the scale is logarithmic. Nothing of no values; of many curves the first ones.
eval::html::Markup draw(const Chart& chart);
// What charts look like, and what they do.
std::string curve_style();
std::string curve_script();

// "0.0123", "12.3 k": for people.
std::string figure_text(double value);

}  // namespace usam::inspect
