#include "tools/inspect/report/facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "src/base/text.h"
#include "src/eval/html/figures.h"
#include "tools/inspect/report/curves.h"

namespace usam::inspect {
namespace {

constexpr const char* kWholeError = "tasks/error";  // of recipes::figures: the mean over the tasks

// The value in the middle; nothing of none.
std::optional<double> median_of(const Points* points) {
  if (!points || points->empty()) return std::nullopt;
  std::vector<double> values;
  for (const Point& point : *points) values.push_back(point.value);
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// What the last tenth of the logged steps comes to: one step is a matter of its samples.
Point end_of(const Points& points) {
  const size_t count = std::max<size_t>(1, points.size() / 10);
  Point mean{points[points.size() - count].step, 0};
  for (size_t i = points.size() - count; i < points.size(); ++i) mean.value += points[i].value;
  mean.value /= static_cast<double>(count);
  return mean;
}

std::string at_step(double step) {
  return fmt::format(" at step {:.0f}", step);
}

class Facts {
 public:
  void add(const std::string& name, const std::string& value) {
    if (!value.empty()) all_.push_back({name, value, std::nullopt, 0});
  }
  void add(const std::string& name, std::optional<double> number, int better, const std::string& value) {
    if (number) all_.push_back({name, value, number, better});
  }
  // A figure of the middle logged step.
  void add_pace(const std::string& name, const Points* points, int better, const std::string& unit) {
    const auto value = median_of(points);
    if (value && *value > 0) add(name, value, better, figure_text(*value) + unit);
  }
  std::vector<Fact> take() { return std::move(all_); }

 private:
  std::vector<Fact> all_;
};

void add_losses(const RunRecord& record, Facts& facts) {
  if (const Points* loss = record.metrics.train.find("loss")) {
    const Point end = end_of(*loss);
    facts.add("training loss", end.value, -1, fmt::format("{}, from step {:.0f} on", figure_text(end.value), end.step));
  }
  if (const auto loss = record.last("loss"))
    facts.add("validation loss, last", loss->value, -1, figure_text(loss->value) + at_step(loss->step));
  if (!record.state || !record.state->best) return;
  const Best& best = *record.state->best;
  facts.add("best " + best.metric, best.value, better_of(split_figure(record, best.metric).metric),
            figure_text(best.value) + at_step(static_cast<double>(best.step)));
}

void add_memory(const RunRecord& record, Facts& facts) {
  for (const auto& [name, key] :
       {std::pair("memory of the device", "peak_device_memory"), std::pair("memory of the host", "peak_memory")})
    if (const Points* points = record.metrics.time.find(key); points && points->back().value > 0)
      facts.add(name, points->back().value, -1, human_bytes(static_cast<int64_t>(points->back().value)));
}

std::string trained_text(const RunRecord& record) {
  const std::string trained = record.told("trained");
  const auto count = whole_number(trained);
  return count ? human_count(*count) : trained;
}

}  // namespace

bool is_routing(const std::string& figure) {
  return figure.starts_with("router/") || figure.starts_with("experts/");
}

int better_of(const std::string& metric) {
  const std::string name = metric.substr(0, metric.find('/'));
  if (name == "loss" || name == "ce" || metric == kWholeError) return -1;
  return eval::html::style_of(name).better;
}

FigureName split_figure(const RunRecord& record, const std::string& figure) {
  const size_t slash = figure.find('/');
  if (slash == std::string::npos || is_routing(figure) || figure == kWholeError) return {"", figure};
  const std::string first = figure.substr(0, slash), rest = figure.substr(slash + 1);
  const auto is_task = [&](const std::string& name) {
    return record.metrics.evaluations.find("ce/" + name) || record.metrics.train.find("ce/" + name);
  };
  // What answers come to has the task first (recipes::figures), what a recipe measures behind a metric's name.
  const bool is_measured = !is_task(first) && (is_task(rest) || better_of(first) != 0);
  return is_measured ? FigureName{rest, first} : FigureName{first, rest};
}

std::string git_text(const Json& start) {
  const Json git = start.value("git", Json());
  const Json commit = git.is_object() ? git.value("commit", Json()) : Json();
  if (!commit.is_string()) return "";
  std::string text = commit.get<std::string>().substr(0, 12);
  if (const Json branch = git.value("branch", Json()); branch.is_string()) text += ", " + branch.get<std::string>();
  const Json changed = git.value("changed", Json());
  if (changed.is_number_integer() && changed.get<int64_t>() > 0)
    text += fmt::format(", {} file{} changed", changed.get<int64_t>(), changed.get<int64_t>() == 1 ? "" : "s");
  return text;
}

std::vector<Fact> run_facts(const RunRecord& record) {
  Facts facts;
  facts.add("state", record.standing());
  add_losses(record, facts);
  facts.add_pace("a step takes", record.metrics.time.find("seconds"), -1, " s");
  facts.add_pace("audio a second", record.metrics.time.find("audio_per_second"), 1, " s");
  facts.add_pace("tokens a second", record.metrics.time.find("tokens_per_second"), 1, "");
  add_memory(record, facts);
  facts.add("trained parameters", trained_text(record));
  if (record.seconds() > 0) facts.add("duration", record.seconds(), 0, human_seconds(record.seconds()));
  if (!record.starts.empty()) facts.add("starts", std::to_string(record.starts.size()));
  const std::string ranks = record.told("ranks"), device = record.told("device");
  if (!device.empty()) facts.add("runs on", (ranks == "1" ? "" : ranks + " x ") + device + ", " + record.told("host"));
  facts.add("program", record.told("program"));
  if (!record.starts.empty()) facts.add("git", git_text(record.starts.back()));
  return facts.take();
}

std::vector<Fact> evaluation_facts(const RunRecord& record) {
  Facts facts;
  for (const auto& [figure, points] : record.metrics.evaluations.all()) {
    if (is_routing(figure)) continue;
    const Point point = record.at_best(figure).value_or(points.back());
    facts.add(figure, point.value, better_of(split_figure(record, figure).metric), figure_text(point.value));
  }
  for (const RunEvaluation& evaluation : record.evaluations)
    for (const auto& [task, metrics] : evaluation.metrics["tasks"].items()) {
      if (!metrics.is_object()) continue;
      for (const auto& metric : eval::html::metrics_in(metrics)) {
        const Json value = metrics.value(metric, Json());
        if (!value.is_number()) continue;
        facts.add(fmt::format("{}: {} {}", evaluation.folder, task, eval::html::style_of(metric).title),
                  value.get<double>(), better_of(metric), eval::html::shown(metric, value));
      }
    }
  return facts.take();
}

}  // namespace usam::inspect
