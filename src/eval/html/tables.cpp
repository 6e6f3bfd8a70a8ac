#include "src/eval/html/tables.h"

#include <algorithm>

#include "src/base/error.h"
#include "src/eval/html/figures.h"

namespace usam::eval::html {
namespace {

Markup figure_cell(const std::string& plain, const char* style = "number") {
  return element("td", {{"class", style}}, text(plain));
}

Markup row_of_heads(const std::vector<std::pair<std::string, std::string>>& heads) {
  Markup row;
  for (const auto& [title, style] : heads) row += element("th", {{"class", style}, {"scope", "col"}}, text(title));
  return element("thead", element("tr", row));
}

Markup table(const std::string& style, const Markup& inside) {
  return element("div", {{"class", "wide"}}, element("table", {{"class", style}}, inside));
}

std::string percent_of(double share) {
  return fmt::format("{:.2f}%", 100 * std::clamp(share, 0.0, 1.0));
}

Markup mark(const char* style, double from, double to) {
  return element("i", {{"class", style}, {"style", "left:" + percent_of(from) + ";width:" + percent_of(to - from)}});
}

// The value as a point on a line from 0 to 1, with its interval and the baseline; nothing for what has no such range.
Markup range_of(const Json& task, const std::string& name) {
  const Json& value = task.at(name);
  if (style_of(name).scale == 1 || !value.is_number()) return {};
  Markup marks;
  if (const auto interval = interval_of(task, name)) marks += mark("interval", interval->first, interval->second);
  const Json& baseline = task["majority"][name];
  if (baseline.is_number()) marks += mark("baseline", baseline.get<double>(), baseline.get<double>());
  const double at = value.get<double>();
  marks += mark("value", at, at);
  return element("span", {{"class", "range"}, {"aria-hidden", "true"}}, marks);
}

std::string interval_text(const Json& task, const std::string& name) {
  const auto interval = interval_of(task, name);
  if (!interval) return "";
  return shown(name, interval->first) + " – " + shown(name, interval->second);
}

// "empty 3, looping 1"; a dash where nothing failed.
std::string failures_text(const Json& task) {
  const auto failures = task.find("failures");
  std::string all;
  if (failures == task.end() || !failures->is_object()) return "";
  for (const auto& [name, count] : failures->items()) {
    if (!count.is_number_integer() || count.get<int64_t>() == 0) continue;
    all += (all.empty() ? "" : ", ") + name + " " + count_text(count.get<int64_t>());
  }
  return all.empty() ? "none" : all;
}

// With a cell for the interval where any metric of the table has one.
Markup metric_cells(const Json& task, const std::string& name, bool has_intervals) {
  const auto style = style_of(name);
  const char* arrow = style.better > 0 ? " ↑" : style.better < 0 ? " ↓" : "";
  return element("td", {{"class", "metric"}}, text(style.title + arrow)) +
         figure_cell(shown(name, task.at(name)), "number lead") +
         element("td", {{"class", "plot"}}, range_of(task, name)) +
         (has_intervals ? figure_cell(interval_text(task, name)) : Markup()) +
         figure_cell(shown(name, task.at("majority").at(name)));
}

Markup headline_rows(const std::string& name, const Json& task, bool has_intervals, const std::string& page) {
  const auto metrics = metrics_in(task);
  const std::string span = std::to_string(std::max<size_t>(metrics.size(), 1));
  Markup rows;
  for (size_t i = 0; i < std::max<size_t>(metrics.size(), 1); ++i) {
    Markup row;
    if (i == 0) {
      row += element("th", {{"rowspan", span}, {"scope", "row"}},
                     element("a", {{"href", page + "#task-" + name}}, text(name)));
      row += element("td", {{"rowspan", span}, {"class", "number"}}, text(count_text(task.value("n", int64_t{0}))));
    }
    row += i < metrics.size() ? metric_cells(task, metrics[i], has_intervals)
                              : element("td", {{"colspan", has_intervals ? "5" : "4"}}, {});
    if (i == 0) row += element("td", {{"rowspan", span}, {"class", "failures"}}, text(failures_text(task)));
    rows += element("tr", row);
  }
  return element("tbody", rows);
}

// The leading metric of a task in one source, and of how many samples.
Markup source_cell(const Json& source, const std::string& task) {
  const auto found = source.find(task);
  const auto names = found == source.end() ? std::vector<std::string>() : metrics_in(*found);
  if (names.empty()) return element("td", Markup());
  return element("td", {{"class", "number"}},
                 text(shown(names.front(), found->at(names.front())) + " ") +
                     element("small", text("of " + count_text(found->value("n", int64_t{0})))));
}

}  // namespace

Markup headline_table(const Json& tasks, const std::string& page) {
  Markup rows;
  bool has_intervals = false;
  for (const auto& [name, task] : tasks.items())
    for (const auto& metric : metrics_in(task)) has_intervals |= interval_of(task, metric).has_value();
  for (const auto& [name, task] : tasks.items()) rows += headline_rows(name, task, has_intervals, page);
  std::vector<std::pair<std::string, std::string>> heads = {
      {"task", ""}, {"samples", "number"}, {"metric", ""}, {"value", "number"}, {"0 to 100", "plot"}};
  if (has_intervals) heads.emplace_back("95 % interval", "number");
  heads.emplace_back("majority", "number");
  heads.emplace_back("failures", "");
  return table("headline", row_of_heads(heads) + rows);
}

Markup source_table(const Json& report) {
  const auto sources = report.find("sources");
  if (sources == report.end() || sources->size() < 2) return {};
  Markup heads = element("th", {{"scope", "col"}}, text("test set"));
  for (const auto& [name, task] : report.at("tasks").items()) {
    const auto metrics = metrics_in(task);
    const std::string title = metrics.empty() ? "" : " " + style_of(metrics.front()).title;
    heads += element("th", {{"scope", "col"}, {"class", "number"}}, text(name + title));
  }
  Markup rows;
  for (const auto& [name, source] : sources->items()) {
    Markup row = element("th", {{"scope", "row"}, {"class", "name"}}, text(name));
    for (const auto& [task, ignored] : report.at("tasks").items()) row += source_cell(source, task);
    rows += element("tr", row);
  }
  return table("sources", element("thead", element("tr", heads)) + element("tbody", rows));
}

Markup counts_line(const Json& task) {
  const auto metrics = metrics_in(task);
  Markup line;
  for (const auto& [name, value] : task.items()) {
    const bool is_shown_above = name == "n" || std::ranges::find(metrics, name) != metrics.end();
    if (is_shown_above || !value.is_number()) continue;
    std::string words = name;
    std::ranges::replace(words, '_', ' ');
    const std::string amount =
        value.is_number_integer() ? count_text(value.get<int64_t>()) : number_text(value.get<double>(), 4);
    line += element("span", text(words + " ") + element("b", text(amount)));
  }
  return line.empty() ? line : element("p", {{"class", "counts"}}, line);
}

Markup tag_table(const Json& task) {
  const auto tags = task.find("per_tag");
  if (tags == task.end() || tags->empty()) return {};
  // The best first; those whose area is not defined stand last.
  const auto precision = [&](const std::string& tag) {
    const Json value = (*tags)[tag].value("map", Json());
    return value.is_number() ? value.get<double>() : -1;
  };
  std::vector<std::string> names;
  for (const auto& [name, areas] : tags->items()) names.push_back(name);
  std::ranges::sort(names, {}, [&](const std::string& name) { return std::pair(-precision(name), name); });
  Markup rows;
  for (const auto& name : names) {
    const Json& areas = (*tags)[name];
    const auto bar = element("span", {{"class", "bar"}}, mark("value", 0, std::max(precision(name), 0.0)));
    rows += element("tr", element("th", {{"scope", "row"}, {"class", "name"}}, text(name)) +
                              figure_cell(count_text(areas.value("positives", int64_t{0}))) +
                              figure_cell(shown("map", areas.value("map", Json())), "number lead") +
                              element("td", {{"class", "plot"}}, bar) +
                              figure_cell(shown("roc_auc", areas.value("roc_auc", Json()))) +
                              figure_cell(shown("pr_auc", areas.value("pr_auc", Json()))));
  }
  const auto heads = row_of_heads({{"tag", ""},
                                   {"samples", "number"},
                                   {"average precision", "number"},
                                   {"", "plot"},
                                   {"ROC AUC", "number"},
                                   {"PR AUC", "number"}});
  return table("tags", heads + element("tbody", rows));
}

}  // namespace usam::eval::html
