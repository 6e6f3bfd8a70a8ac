#include "tools/inspect/report/metrics.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "src/base/error.h"
#include "src/base/json.h"

namespace usam::inspect {
namespace {

constexpr int64_t kMostNotes = 5;
constexpr double kLargest = 1e30;  // beyond it nothing can be drawn

// What is no part of a step's figures.
bool is_figure(const std::string& name) {
  return name != "step" && name != "epoch" && name != "health" && name != "time" && name != "eval";
}

void add_figures(const Json& values, double step, NamedPoints& points) {
  for (const auto& [name, value] : values.items()) {
    if (!is_figure(name) || !value.is_number()) continue;
    const double number = value.get<double>();
    if (std::abs(number) <= kLargest) points.add(name, {step, number});  // NaN is left out, too
  }
}

double number_in(const Json& object, const char* name) {
  const Json value = object.value(name, Json());
  const double number = value.is_number() ? value.get<double>() : 0;
  return number > 0 && number < kLargest ? number : 0;
}

void add_troubles(const Json& health, int64_t step, Metrics& metrics) {
  for (const auto& [name, ignored] : health.items()) {
    Trouble& trouble = metrics.health.try_emplace(name, Trouble{step, step, 0}).first->second;
    trouble.last = step;
    ++trouble.lines;
    if (name == "not_finite") metrics.dropped.push_back(static_cast<double>(step));
  }
}

std::string epoch_text(const Json& epoch) {
  const auto told = [&](const char* name) { return epoch.contains(name) ? epoch[name].dump() : "?"; };
  return fmt::format("epoch {}: {} samples, {} skipped", told("number"), told("samples"), told("skipped"));
}

// Throws Json::exception for a line of another kind.
void add_line(const Json& line, Metrics& metrics) {
  const auto step = line.at("step").get<int64_t>();
  const auto at = static_cast<double>(step);
  const Json time = line.value("time", Json::object());
  metrics.last_step = std::max(metrics.last_step, step);
  if (line.contains("eval")) {
    add_figures(line["eval"], at, metrics.evaluations);
    metrics.spent.evaluations += number_in(time, "seconds");
    return;
  }
  add_figures(line, at, metrics.train);
  add_figures(time, at, metrics.time);
  metrics.spent.data += number_in(time, "data");
  metrics.spent.compute += number_in(time, "compute");
  metrics.spent.communication += number_in(time, "communication");
  if (line.contains("health")) add_troubles(line["health"], step, metrics);
  if (time.contains("starved")) add_troubles({{"starved", 1}}, step, metrics);
  if (line.contains("epoch")) metrics.epochs.emplace_back(step, epoch_text(line["epoch"]));
}

}  // namespace

void NamedPoints::add(const std::string& name, Point point) {
  const auto [found, is_new] = places_.try_emplace(name, all_.size());
  if (is_new) all_.emplace_back(name, Points());
  all_[found->second].second.push_back(point);
}

const Points* NamedPoints::find(const std::string& name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &all_[found->second].second;
}

Metrics read_metrics(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) user_error("{}: the file cannot be read.", path);
  Metrics metrics;
  int64_t number = 0, problems = 0;
  for (std::string line; std::getline(stream, line);) {
    const std::string place = fmt::format("{}:{}", path, ++number);
    try {
      add_line(parse_json(line, place), metrics);
      continue;
    } catch (const UserError&) {
    } catch (const Json::exception&) {
    }
    if (stream.eof()) {
      metrics.notes.push_back(
          fmt::format("{}: the last line is not whole: it is being written, or was when the run ended.", place));
    } else if (++problems <= kMostNotes) {
      metrics.notes.push_back(fmt::format("{}: the line is none of a run's metrics and is left out.", place));
    }
  }
  if (problems > kMostNotes)
    metrics.notes.push_back(fmt::format("{}: {} more such lines are left out.", path, problems - kMostNotes));
  return metrics;
}

}  // namespace usam::inspect
