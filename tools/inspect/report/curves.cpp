#include "tools/inspect/report/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/eval/html/figures.h"

namespace usam::inspect {
namespace {

using eval::html::element;
using eval::html::Markup;
using eval::html::text;

constexpr double kWide = 480, kHigh = 236;                            // units of the drawing
constexpr double kLeft = 58, kRight = 462, kTop = 10, kBottom = 196;  // of the plane of the curves
constexpr size_t kPixels = 240;                                       // a curve's most values
constexpr size_t kMostCurves = 12, kMostDots = 80, kMostMarks = 200, kColours = 8;
constexpr size_t kFewest = 40;    // values that a running mean is drawn of
constexpr double kFarApart = 40;  // for a linear scale
constexpr double kAlike = 1e-3;   // of their size: ticks with four digits do not tell values apart that are nearer

// One axis: values to units of the drawing.
struct Scale {
  double low = 0, high = 1;
  double from = 0, to = 1;
  bool is_logarithmic = false;

  double at(double value) const {
    const double share = is_logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return from + share * (to - from);
  }
};

// 1, 2 or 5 times a power of ten, so that there are about `count` of them between the bounds.
double tick_distance(double low, double high, int count) {
  const double rough = (high - low) / count, power = std::pow(10, std::floor(std::log10(rough)));
  const double lead = rough / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

std::vector<double> linear_ticks(const Scale& scale, int count) {
  std::vector<double> ticks;
  const double distance = tick_distance(scale.low, scale.high, count);
  const double first = std::ceil(scale.low / distance - 1e-9);
  for (int i = 0; i < 3 * count && (first + i) * distance <= scale.high + 1e-9 * distance; ++i)
    ticks.push_back((first + i) * distance);
  return ticks;
}

std::vector<double> logarithmic_ticks(const Scale& scale) {
  const double decades = std::log10(scale.high / scale.low);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / 6)));
  const std::vector<double> leads = decades < 3 ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
  std::vector<double> ticks;
  for (int power = static_cast<int>(std::floor(std::log10(scale.low))); std::pow(10, power) <= scale.high;
       power += every)
    for (const double lead : leads)
      if (const double tick = lead * std::pow(10, power); tick >= scale.low && tick <= scale.high)
        ticks.push_back(tick);
  return ticks;
}

std::string number(double value) {
  return fmt::format("{:.1f}", value);
}

// "2e-4" as people write it.
std::string scientific(double value) {
  const std::string plain = fmt::format("{:.2e}", value);
  const size_t e = plain.find('e');
  std::string lead = plain.substr(0, e);
  while (lead.find('.') != std::string::npos && (lead.ends_with('0') || lead.ends_with('.'))) lead.pop_back();
  return lead + "e" + std::to_string(std::stoi(plain.substr(e + 1)));
}

void trim_zeros(std::string& plain) {
  if (plain.find('.') == std::string::npos) return;
  while (plain.ends_with('0')) plain.pop_back();
  if (plain.ends_with('.')) plain.pop_back();
}

Scale step_scale(const Chart& chart) {
  Scale scale{std::numeric_limits<double>::infinity(), 0, kLeft, kRight, false};
  for (const Curve& curve : chart.curves)
    for (const Point& point : curve.points) {
      scale.low = std::min(scale.low, point.step);
      scale.high = std::max(scale.high, point.step);
    }
  if (scale.low >= 0 && scale.low < 0.5 * scale.high) scale.low = 0;
  if (scale.high <= scale.low) {
    scale.low -= 1;
    scale.high += 1;
  }
  return scale;
}

Scale value_scale(const Chart& chart) {
  double low = std::numeric_limits<double>::infinity(), high = -low, positive = low;
  for (const Curve& curve : chart.curves)
    for (const Point& point : curve.points) {
      low = std::min(low, point.value);
      high = std::max(high, point.value);
      if (point.value > 0) positive = std::min(positive, point.value);
    }
  if (!chart.is_linear && low > 0 && high / low > kFarApart) return {low, high, kBottom, kTop, true};
  if (high - low <= kAlike * std::max(std::abs(low), std::abs(high))) {
    const double around = high == 0 ? 1 : 0.5 * std::abs(high);
    return {low - around, high + around, kBottom, kTop, false};
  }
  if (low >= 0 && low < 0.4 * high) low = 0;
  const double room = 0.05 * (high - low);
  if (low != 0) low -= room;
  high += room;
  return {low, high, kBottom, kTop, false};
}

// A curve as it is drawn: as many values as there are pixels.
struct Drawn {
  Points values;
  Points lows, highs;  // only where values share pixels; the values are their means then
  Points smooth;       // the running mean of the values, of a curve that is noisy and long enough
};

// The mean of the values around each, a twentieth of them.
Points running_mean(const Points& points) {
  const size_t around = std::max<size_t>(points.size() / 40, 2);
  Points means;
  for (size_t i = 0; i < points.size(); ++i) {
    const size_t reach = std::min({around, i, points.size() - 1 - i});  // as far to both sides
    double sum = 0;
    for (size_t j = i - reach; j <= i + reach; ++j) sum += points[j].value;
    means.push_back({points[i].step, sum / static_cast<double>(2 * reach + 1)});
  }
  return means;
}

Drawn thinned(const Points& points, const Scale& steps) {
  if (points.size() <= kPixels) return {points, {}, {}, {}};
  Drawn drawn;
  for (size_t i = 0; i < points.size();) {
    const auto pixel = [&](size_t at) {
      return std::floor((steps.at(points[at].step) - kLeft) / (kRight - kLeft) * kPixels);
    };
    Point mean = points[i], least = points[i], most = points[i];
    size_t end = i + 1;
    for (; end < points.size() && pixel(end) == pixel(i); ++end) {
      mean.step += points[end].step;
      mean.value += points[end].value;
      least.value = std::min(least.value, points[end].value);
      most.value = std::max(most.value, points[end].value);
    }
    const auto count = static_cast<double>(end - i);
    mean = {mean.step / count, mean.value / count};
    least.step = most.step = mean.step;
    drawn.values.push_back(mean);
    drawn.lows.push_back(least);
    drawn.highs.push_back(most);
    i = end;
  }
  return drawn;
}

std::string path_of(const Points& points, const Scale& steps, const Scale& values) {
  std::string path;
  for (const Point& point : points)
    path += (path.empty() ? "" : " ") + number(steps.at(point.step)) + "," + number(values.at(point.value));
  return path;
}

std::string colour_class(const Curve& curve) {
  return fmt::format("c{}{}", curve.colour % kColours, curve.colour < kColours ? "" : " dashed");
}

// What is read under the pointer and in the legend.
const Points& main_line(const Drawn& drawn) {
  return drawn.smooth.empty() ? drawn.values : drawn.smooth;
}

Markup svg_of(const Curve& curve, const Drawn& drawn, size_t place, const Scale& steps, const Scale& values) {
  Markup inside;
  if (!drawn.lows.empty()) {
    Points around = drawn.highs;
    around.insert(around.end(), drawn.lows.rbegin(), drawn.lows.rend());
    inside += element("polygon", {{"points", path_of(around, steps, values)}});
  } else if (!drawn.smooth.empty()) {
    inside += element("polyline", {{"class", "single"}, {"points", path_of(drawn.values, steps, values)}});
  }
  inside += element("polyline",
                    {{"data-curve", std::to_string(place)}, {"points", path_of(main_line(drawn), steps, values)}});
  const auto& points = curve.points;
  const bool has_dots = (curve.kind == Curve::Kind::kSparse && points.size() <= kMostDots) || points.size() == 1;
  for (size_t i = 0; has_dots && i < points.size(); ++i)
    inside += element(
        "circle", {{"cx", number(steps.at(points[i].step))}, {"cy", number(values.at(points[i].value))}, {"r", "3"}});
  return element("g", {{"class", colour_class(curve)}}, inside);
}

Markup line(const char* style, double x1, double y1, double x2, double y2) {
  return element("line",
                 {{"class", style}, {"x1", number(x1)}, {"y1", number(y1)}, {"x2", number(x2)}, {"y2", number(y2)}});
}

Markup label(double x, double y, const char* anchor, const std::string& plain) {
  return element("text", {{"x", number(x)}, {"y", number(y)}, {"text-anchor", anchor}}, text(plain));
}

Markup axes(const Scale& steps, const Scale& values) {
  Markup all;
  for (const double tick : values.is_logarithmic ? logarithmic_ticks(values) : linear_ticks(values, 4)) {
    all += line("grid", kLeft, values.at(tick), kRight, values.at(tick));
    all += label(kLeft - 6, values.at(tick) + 4, "end", figure_text(tick));
  }
  for (const double tick : linear_ticks(steps, 5)) {
    if (tick != std::floor(tick)) continue;  // there is no half step
    all += line("tick", steps.at(tick), kBottom, steps.at(tick), kBottom + 4);
    all += label(steps.at(tick), kBottom + 18, "middle", figure_text(tick));
  }
  all += line("axis", kLeft, kBottom, kRight, kBottom);
  return all + label(kRight, kBottom + 34, "end", "step");
}

Markup marks(const Chart& chart, const Scale& steps) {
  Markup all;
  const auto is_inside = [&](double step) { return step >= steps.low && step <= steps.high; };
  for (const double step : chart.resumed)
    if (is_inside(step)) all += line("resumed", steps.at(step), kTop, steps.at(step), kBottom);
  size_t count = 0;
  for (const double step : chart.dropped)
    if (is_inside(step) && ++count <= kMostMarks)
      all += line("lost", steps.at(step), kBottom - 7, steps.at(step), kBottom);
  return all;
}

Markup legend(const Chart& chart, const std::vector<Drawn>& drawn) {
  Markup entries;
  const size_t shown = drawn.size();
  for (size_t i = 0; i < shown; ++i) {
    const Curve& curve = chart.curves[i];
    const auto swatch = element("i", {{"class", "swatch " + colour_class(curve)}});
    entries +=
        element("span", {{"data-of", std::to_string(i)}},
                swatch + text(curve.name + " ") + element("b", text(figure_text(main_line(drawn[i]).back().value))));
  }
  if (chart.curves.size() > shown)
    entries += element("span", text(fmt::format("and {} more", chart.curves.size() - shown)));
  return element("div", {{"class", "keys"}}, entries);
}

}  // namespace

std::string figure_text(double value) {
  const double size = std::abs(value);
  std::string plain;
  if (size != 0 && (size < 1e-3 || size >= 1e9)) {
    plain = scientific(value);
  } else if (size >= 1e6) {
    plain = fmt::format("{:.2f}", value / 1e6);
    trim_zeros(plain);
    plain += "\u202FM";
  } else if (size >= 1e4) {
    plain = fmt::format("{:.1f}", value / 1e3);
    trim_zeros(plain);
    plain += "\u202Fk";
  } else {
    plain = fmt::format("{:.{}f}", value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4);
    trim_zeros(plain);
  }
  return plain.starts_with('-') ? "−" + plain.substr(1) : plain;
}

Markup draw(const Chart& given) {
  Chart chart = given;
  std::erase_if(chart.curves, [](const Curve& curve) { return curve.points.empty(); });
  if (chart.curves.empty()) return {};
  const Scale steps = step_scale(chart), values = value_scale(chart);
  const size_t shown = std::min(chart.curves.size(), kMostCurves);
  Markup inside = axes(steps, values) + marks(chart, steps);
  std::vector<Drawn> all;
  for (size_t i = 0; i < shown; ++i) {
    const Curve& curve = chart.curves[i];
    Drawn drawn = thinned(curve.points, steps);
    if (curve.kind == Curve::Kind::kNoisy && drawn.values.size() >= kFewest) drawn.smooth = running_mean(drawn.values);
    inside += svg_of(curve, drawn, i, steps, values);
    all.push_back(std::move(drawn));
  }
  inside += line("cursor", kLeft, kTop, kLeft, kBottom);
  const auto exact = [](double value) { return fmt::format("{:.9g}", value); };
  const Markup svg = element("svg",
                             {{"role", "img"},
                              {"aria-label", chart.title + " over the steps"},
                              {"viewBox", fmt::format("0 0 {} {}", kWide, kHigh)},
                              {"data-steps", exact(steps.low) + " " + exact(steps.high)},
                              {"data-values", exact(values.low) + " " + exact(values.high)},
                              {"data-scale", values.is_logarithmic ? "logarithmic" : "linear"},
                              {"data-plane", fmt::format("{} {} {} {}", kLeft, kRight, kTop, kBottom)}},
                             inside);
  Markup caption = element("b", text(chart.title));
  if (!chart.unit.empty()) caption += element("span", text(chart.unit));
  if (values.is_logarithmic) caption += element("span", text("logarithmic"));
  caption += element("output", Markup());
  return element("figure", {{"class", "curves"}}, element("figcaption", caption) + svg + legend(chart, all));
}

}  // namespace usam::inspect
