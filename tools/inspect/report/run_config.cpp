// What a run was told, and where it ran.
#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "src/base/error.h"
#include "src/eval/html/document.h"
#include "tools/inspect/report/facts.h"
#include "tools/inspect/report/run_sections.h"

namespace usam::inspect {
namespace {

using eval::html::cell;
using eval::html::element;
using eval::html::heading;
using eval::html::Markup;
using eval::html::table_of;
using eval::html::text;

Markup folded(const std::string& title, const Markup& inside) {
  return element("details", element("summary", text(title)) + inside);
}

Markup changes(const std::string& before, const std::vector<Difference>& differences) {
  Markup rows;
  for (const Difference& d : differences)
    rows += element("tr", element("th", {{"scope", "row"}}, text(d.key)) + cell(d.before) + cell(d.after));
  return element("div", {{"class", "keyed"}}, table_of({"key", before, "this run"}, rows, eval::html::kNoNumbers));
}

// What the last start says of the base; empty where it names none, or one that is no whole config.
std::vector<Difference> changed_from_base(const Json& start) {
  std::vector<Difference> differences;
  const Json changed = start.value("changed", Json::object());
  for (const auto& [key, values] : changed.items()) {
    const bool is_pair = values.is_array() && values.size() == 2 && values[0].is_string() && values[1].is_string();
    if (is_pair) differences.push_back({key, values[0].get<std::string>(), values[1].get<std::string>(), false});
  }
  return differences;
}

// Texts and numbers as they are; lists with commas.
std::string shown(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.is_null() ? "" : value.dump();
  std::string all;
  for (const Json& item : value) all += (all.empty() ? "" : ", ") + shown(item);
  return all;
}

Markup given(const RunRecord& record) {
  if (record.starts.empty()) return {};
  const Json& start = record.starts.back();
  Markup inside;
  const auto line = [&](const char* name, const char* key) {
    const std::string value = shown(start.value(key, Json()));
    if (!value.empty())
      inside += element("div", {{"class", "line"}}, element("dt", text(name)) + element("dd", text(value)));
  };
  line("config", "config");
  line("base", "base");
  line("overrides", "overrides");
  return inside.empty() ? inside : element("dl", inside);
}

}  // namespace

Markup config_of(const RunRecord& record) {
  if (record.config.empty()) return {};
  Markup all = given(record);
  const std::string base = record.told("base");
  const auto from_base = record.starts.empty() ? std::vector<Difference>() : changed_from_base(record.starts.back());
  if (!from_base.empty())
    all += heading("h3", fmt::format("Other than in its base, {}", std::filesystem::path(base).filename().string())) +
           changes("in the base", from_base);
  const std::string file = record.path + "/config.yaml";
  try {
    const auto from_defaults = changed_from_defaults(file);
    const std::string title = fmt::format("Other than the defaults: {} keys", from_defaults.size());
    const Markup table = changes("default", from_defaults);
    all += from_base.empty() ? heading("h3", title) + table : folded(title, table);
  } catch (const UserError& e) {
    all += element(
        "p", {{"class", "note"}},
        text(fmt::format("This program does not read the config, so its defaults are not known: {}", e.what())));
  }
  return all + folded("All of it: config.yaml", element("pre", text(record.config)));
}

Markup environment_of(const RunRecord& record) {
  Markup rows;
  for (const Json& start : record.starts)
    rows +=
        element("tr", element("th", {{"scope", "row"}}, text(shown(start.value("time", Json())))) +
                          cell(shown(start.value("step", Json())), true) + cell(shown(start.value("host", Json()))) +
                          cell(shown(start.value("ranks", Json())) + " x " + shown(start.value("device", Json()))) +
                          cell(shown(start.value("program", Json()))) + cell(git_text(start)));
  if (rows.empty())
    return element("p", {{"class", "note"}},
                   text("starts.jsonl, which tells of each start, is missing: an older usam trained this run."));
  Markup all = table_of({"start", "from step", "host", "ranks", "program", "git"}, rows, eval::html::kNoNumbers);
  Markup lines;
  const auto line = [&](const std::string& name, const std::string& value) {
    if (!value.empty())
      lines += element("div", {{"class", "line"}}, element("dt", text(name)) + element("dd", text(value)));
  };
  const Json& last = record.starts.back();
  for (const char* key : {"processor", "cores", "threads", "gpus", "parallel"})
    line(key, shown(last.value(key, Json())));
  const Json libraries = last.value("libraries", Json::object());
  for (const auto& [name, release] : libraries.items()) line(name, shown(release));
  return all + element("dl", lines);
}

}  // namespace usam::inspect
