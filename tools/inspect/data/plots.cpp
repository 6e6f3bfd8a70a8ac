#include "tools/inspect/data/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace usam::inspect {
namespace {

using eval::html::element;
using eval::html::Markup;
using eval::html::text;

constexpr int kBars = 32;
constexpr double kWidth = 384, kHeight = 120, kBelow = 18;

struct Axis {
  double low, high;
  bool is_logarithmic;

  double share(double value) const {
    const double at = is_logarithmic ? std::log(value) : value;
    return (at - low) / (high - low);
  }
  double value(double share) const {
    const double at = low + share * (high - low);
    return is_logarithmic ? std::exp(at) : at;
  }
};

Axis axis_of(const std::vector<float>& values, bool is_logarithmic) {
  const auto [least, most] = std::ranges::minmax_element(values);
  Axis axis{*least, *most, is_logarithmic && *least > 0};
  if (axis.is_logarithmic) {
    axis.low = std::log(axis.low);
    axis.high = std::log(axis.high);
  }
  if (axis.high - axis.low < 1e-6) {
    axis.low -= 0.5;
    axis.high += 0.5;
  }
  return axis;
}

Markup label(double x, const char* anchor, double value) {
  return element("text",
                 {{"x", fmt::format("{:.1f}", x)}, {"y", fmt::format("{}", kHeight + 14)}, {"text-anchor", anchor}},
                 text(fmt::format("{:.3g}", value)));
}

}  // namespace

Markup histogram(const std::string& caption, const std::vector<float>& values, bool is_logarithmic) {
  if (values.size() < 2) return {};
  const Axis axis = axis_of(values, is_logarithmic);
  std::vector<int64_t> counts(kBars);
  for (const float value : values)
    ++counts[static_cast<size_t>(std::clamp<int>(static_cast<int>(axis.share(value) * kBars), 0, kBars - 1))];
  const auto most = static_cast<double>(*std::ranges::max_element(counts));
  Markup bars;
  for (int i = 0; i < kBars; ++i) {
    const auto count = counts[static_cast<size_t>(i)];
    const double height = kHeight * static_cast<double>(count) / most;
    const std::string told = fmt::format("{:.3g} to {:.3g}: {}", axis.value(static_cast<double>(i) / kBars),
                                         axis.value(static_cast<double>(i + 1) / kBars), count);
    bars += element("rect",
                    {{"x", fmt::format("{:.1f}", i * kWidth / kBars)},
                     {"y", fmt::format("{:.1f}", kHeight - height)},
                     {"width", fmt::format("{:.1f}", kWidth / kBars - 1)},
                     {"height", fmt::format("{:.1f}", height)}},
                    element("title", text(told)));
  }
  const Markup axis_labels = label(0, "start", axis.value(0)) + label(kWidth / 2, "middle", axis.value(0.5)) +
                             label(kWidth, "end", axis.value(1));
  const Markup svg = element("svg",
                             {{"class", "histogram"},
                              {"role", "img"},
                              {"aria-label", caption},
                              {"viewBox", fmt::format("0 0 {} {}", kWidth, kHeight + kBelow)}},
                             bars + axis_labels);
  return element("figure", {{"class", "plotted"}}, svg + element("figcaption", text(caption)));
}

std::string plot_style() {
  return R"css(
.plotted{margin:1rem 0;width:min(100%,25rem)}
.plotted figcaption{color:var(--soft);font-size:.85rem}
.histogram{display:block;width:100%;font-size:11px}
.histogram rect{fill:var(--accent)}
.histogram text{fill:var(--soft)}
details{border-top:1px solid var(--rule);padding:.35rem 0}
summary{cursor:pointer}
)css";
}

}  // namespace usam::inspect
