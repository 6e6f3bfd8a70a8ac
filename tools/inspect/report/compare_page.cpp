#include "src/eval/html/document.h"
#include "tools/inspect/report/page.h"

namespace usam::inspect {
namespace {

using eval::html::element;
using eval::html::Markup;
using eval::html::text;

Markup compared(const Comparison& comparison, const std::string& title, const std::vector<Comparison::Row>& rows,
                const char* style) {
  if (rows.empty()) return {};
  Markup body;
  for (const auto& row : rows) {
    Markup cells = element("th", {{"scope", "row"}}, text(row.name));
    for (size_t i = 0; i < row.cells.size(); ++i)
      cells +=
          element("td", {{"class", row.is_best[i] ? "best" : ""}}, text(row.cells[i].empty() ? "–" : row.cells[i]));
    body += element("tr", cells);
  }
  std::vector<std::string> heads = {title};
  heads.insert(heads.end(), comparison.names.begin(), comparison.names.end());
  return element("div", {{"class", style}}, eval::html::table_of(heads, body, eval::html::kNoNumbers));
}

}  // namespace

std::string render_comparison(const Comparison& comparison) {
  Markup notes;
  for (const std::string& note : comparison.notes) notes += element("li", text(note));
  if (!notes.empty()) notes = element("ul", {{"class", "notes"}}, notes);
  Markup keys = compared(comparison, "key", comparison.keys, "keyed");
  if (keys.empty()) keys = element("p", text("The configs are the same, run.dir aside."));
  std::vector<PageSection> sections = {
      {"Figures", "figures", compared(comparison, "run", comparison.facts, "figures")},
      {"Evaluations", "evaluations", compared(comparison, "at the best checkpoint", comparison.evaluations, "figures")},
      {"Config", "config", keys}};
  for (const ChartGroup& group : charts_of(comparison.records, comparison.names)) sections.push_back(section_of(group));
  std::string subtitle;
  for (const std::string& name : comparison.names) subtitle += (subtitle.empty() ? "" : " · ") + name;
  return render_sections("Runs side by side", subtitle, notes, sections);
}

}  // namespace usam::inspect
