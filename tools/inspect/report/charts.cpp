#include "tools/inspect/report/charts.h"

#include <algorithm>
#include <map>

#include "tools/inspect/report/facts.h"

namespace usam::inspect {
namespace {

constexpr size_t kMostCharts = 60;  // of a group
constexpr double kGibibyte = 1 << 30;

// What of `time` is drawn, and how.
struct TimeFigure {
  const char *name, *title, *unit;
  Curve::Kind kind = Curve::Kind::kNoisy;
  double scale = 1;
};
constexpr TimeFigure kTimeFigures[] = {
    {"seconds", "A step takes", "s"},
    {"audio_per_second", "Audio a second", "s"},
    {"tokens_per_second", "Tokens a second", ""},
    {"peak_memory", "Memory of the host", "GiB", Curve::Kind::kSmooth, 1 / kGibibyte},
    {"peak_device_memory", "Memory of the device", "GiB", Curve::Kind::kSmooth, 1 / kGibibyte}};

bool is_optimizer(const std::string& figure) {
  return figure == "lr" || figure == "grad_norm";
}

bool has_values(const Points& points) {
  return std::ranges::any_of(points, [](const Point& p) { return p.value != 0; });
}

Points scaled(Points points, double factor) {
  for (Point& point : points) point.value *= factor;
  return points;
}

// The figures of training and of evaluations that are one number for the whole step, in the order of the former.
std::vector<std::string> whole_figures(const Metrics& metrics) {
  std::vector<std::string> names;
  for (const NamedPoints* points : {&metrics.train, &metrics.evaluations})
    for (const auto& [name, ignored] : points->all()) {
      const bool is_whole = name.find('/') == std::string::npos && !is_optimizer(name);
      if (is_whole && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  return names;
}

// ce/ASR and ce/SEC share a chart, with a colour for each task that is the same in all of them.
class Families {
 public:
  std::vector<Chart> charts(const NamedPoints& points, const std::string& what, bool are_routing, Curve::Kind kind) {
    std::vector<Chart> all;
    for (const auto& [name, values] : points.all()) {
      const size_t slash = name.rfind('/');
      if (slash == std::string::npos || is_routing(name) != are_routing) continue;
      const std::string family = name.substr(0, slash), member = name.substr(slash + 1);
      auto chart = std::ranges::find(all, family, &Chart::title);
      if (chart == all.end()) {
        all.push_back({family, what, {}, are_routing, {}, {}});
        chart = all.end() - 1;
      }
      const size_t colour = colours_.try_emplace(member, colours_.size()).first->second;
      chart->curves.push_back({are_routing ? "expert " + member : member, values, colour, kind});
    }
    return all;
  }

 private:
  std::map<std::string, size_t> colours_;
};

ChartGroup losses_of(const Metrics& metrics) {
  ChartGroup group{"Losses", "losses", {}};
  for (const auto& name : whole_figures(metrics)) {
    Chart chart{name, "", {}, false, {}, {}};
    if (const Points* points = metrics.train.find(name))
      chart.curves.push_back({"training", *points, 0, Curve::Kind::kNoisy});
    if (const Points* points = metrics.evaluations.find(name))
      chart.curves.push_back({"validation", *points, 1, Curve::Kind::kSparse});
    group.charts.push_back(std::move(chart));
  }
  return group;
}

ChartGroup families_of(const Metrics& metrics, bool are_routing) {
  ChartGroup group{are_routing ? "Experts" : "Tasks", are_routing ? "experts" : "tasks", {}};
  Families families;
  for (auto& chart : families.charts(metrics.train, "training", are_routing, Curve::Kind::kNoisy))
    group.charts.push_back(std::move(chart));
  for (auto& chart : families.charts(metrics.evaluations, "validation", are_routing, Curve::Kind::kSparse))
    group.charts.push_back(std::move(chart));
  return group;
}

ChartGroup optimizer_of(const Metrics& metrics) {
  ChartGroup group{"Optimizer", "optimizer", {}};
  if (const Points* points = metrics.train.find("lr"))
    group.charts.push_back({"Learning rate", "", {{"last", *points, 0, Curve::Kind::kSmooth}}, true, {}, {}});
  if (const Points* points = metrics.train.find("grad_norm"))
    group.charts.push_back({"Norm of the gradient", "", {{"last", *points, 0, Curve::Kind::kNoisy}}, false, {}, {}});
  return group;
}

// Shares of each interval's time.
Chart waiting_of(const Metrics& metrics) {
  Chart chart{"Where the time goes", "share", {}, true, {}, {}};
  const char* names[] = {"data", "compute", "communication"};
  std::map<double, double> all;
  for (const char* name : names)
    if (const Points* points = metrics.time.find(name))
      for (const Point& point : *points) all[point.step] += point.value;
  size_t colour = 0;
  for (const char* name : names) {
    Curve curve{name, {}, colour++, Curve::Kind::kNoisy};
    if (const Points* points = metrics.time.find(name); points && has_values(*points))
      for (const Point& point : *points)
        if (const double sum = all[point.step]; sum > 0) curve.points.push_back({point.step, point.value / sum});
    chart.curves.push_back(std::move(curve));
  }
  return chart;
}

ChartGroup speed_of(const Metrics& metrics) {
  ChartGroup group{"Speed and memory", "speed", {waiting_of(metrics)}};
  for (const TimeFigure& figure : kTimeFigures)
    if (const Points* points = metrics.time.find(figure.name); points && has_values(*points))
      group.charts.push_back(
          {figure.title, figure.unit, {{"last", scaled(*points, figure.scale), 0, figure.kind}}, false, {}, {}});
  return group;
}

// Only those with anything to draw, as many as a page can take.
std::vector<ChartGroup> tidied(std::vector<ChartGroup> groups) {
  for (ChartGroup& group : groups) {
    std::erase_if(group.charts, [](const Chart& chart) {
      return std::ranges::all_of(chart.curves, [](const Curve& curve) { return curve.points.empty(); });
    });
    if (group.charts.size() > kMostCharts) group.charts.resize(kMostCharts);
  }
  std::erase_if(groups, [](const ChartGroup& group) { return group.charts.empty(); });
  return groups;
}

// One chart for each figure; `points_of` picks what of a run is drawn.
template <class PointsOf>
ChartGroup shared(const std::string& title, const std::string& id, const std::vector<RunRecord>& records,
                  const std::vector<std::string>& names, PointsOf points_of) {
  ChartGroup group{title, id, {}};
  for (size_t run = 0; run < records.size(); ++run) {
    const NamedPoints& figures = points_of(records[run]);
    for (const auto& [name, points] : figures.all()) {
      if (is_routing(name)) continue;
      auto chart = std::ranges::find(group.charts, name, &Chart::title);
      if (chart == group.charts.end()) {
        group.charts.push_back({name, "", {}, false, {}, {}});
        chart = group.charts.end() - 1;
      }
      chart->curves.push_back(
          {names[run], points, run, id == "validation" ? Curve::Kind::kSparse : Curve::Kind::kNoisy});
    }
  }
  return group;
}

// Only what speed_of() draws, under its titles.
NamedPoints speeds_of(const RunRecord& record) {
  NamedPoints speeds;
  for (const TimeFigure& figure : kTimeFigures)
    if (const Points* points = record.metrics.time.find(figure.name); points && has_values(*points))
      for (const Point& point : *points)
        speeds.add(std::string(figure.title) + (*figure.unit ? std::string(", ") + figure.unit : ""),
                   {point.step, point.value * figure.scale});
  return speeds;
}

}  // namespace

std::vector<ChartGroup> charts_of(const RunRecord& record) {
  const Metrics& metrics = record.metrics;
  auto groups = tidied({losses_of(metrics), families_of(metrics, false), families_of(metrics, true),
                        optimizer_of(metrics), speed_of(metrics)});
  std::vector<double> resumed;
  for (const Stretch& stretch : record.pictures.stretches)
    if (stretch.first_step > 0) resumed.push_back(static_cast<double>(stretch.first_step));
  for (ChartGroup& group : groups)
    for (Chart& chart : group.charts) {
      chart.resumed = resumed;
      chart.dropped = metrics.dropped;
    }
  return groups;
}

std::vector<ChartGroup> charts_of(const std::vector<RunRecord>& records, const std::vector<std::string>& names) {
  return tidied({shared("Validation", "validation", records, names,
                        [](const RunRecord& record) -> const NamedPoints& { return record.metrics.evaluations; }),
                 shared("Training", "training", records, names,
                        [](const RunRecord& record) -> const NamedPoints& { return record.metrics.train; }),
                 shared("Speed and memory", "speed", records, names, speeds_of)});
}

}  // namespace usam::inspect
