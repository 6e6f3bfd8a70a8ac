// The page of one run: its head, its curves, and what run_sections.cpp and run_config.cpp tell.
#include <fmt/format.h>

#include <map>

#include "recipes/report/clip.h"
#include "src/eval/html/document.h"
#include "src/eval/html/figures.h"
#include "src/eval/html/tables.h"
#include "tools/inspect/report/facts.h"
#include "tools/inspect/report/page.h"
#include "tools/inspect/report/run_sections.h"

namespace usam::inspect {
namespace {

using eval::html::cell;
using eval::html::element;
using eval::html::heading;
using eval::html::Markup;
using eval::html::table_of;
using eval::html::text;

Markup head_of(const RunRecord& record) {
  Markup head;
  for (const std::string& note : record.notes) head += element("li", text(note));
  if (!head.empty()) head = element("ul", {{"class", "notes"}}, head);
  Markup facts;
  for (const Fact& fact : run_facts(record))
    facts += element("div", element("dt", text(fact.name)) + element("dd", text(fact.value)));
  return head + element("dl", {{"class", "facts"}}, facts);
}

Markup curve_note() {
  return element(
      "p", {{"class", "note"}},
      text("Thin: logged steps, or a band between their extremes; bold: their mean over a twentieth of the run. "
           "A dashed line stands where the run was resumed, a red mark where a step was dropped."));
}

// The figures of evaluations by task; those of the whole set have the task "".
std::map<std::string, std::vector<std::string>> figures_by_task(const RunRecord& record) {
  std::map<std::string, std::vector<std::string>> figures;
  for (const auto& [figure, points] : record.metrics.evaluations.all())
    if (!is_routing(figure)) figures[split_figure(record, figure).task].push_back(figure);
  return figures;
}

Markup metric_cells(const RunRecord& record, const std::string& figure) {
  const std::string metric = split_figure(record, figure).metric;
  const int better = better_of(metric);
  const auto best = record.at_best(figure), last = record.last(figure);
  return cell(metric + (better > 0   ? " ↑"
                        : better < 0 ? " ↓"
                                     : "")) +
         cell(best ? figure_text(best->value) : "–", true) + cell(figure_text(last->value), true);
}

Markup evaluations_of(const RunRecord& record) {
  Markup rows;
  double last = 0;
  for (const auto& [task, figures] : figures_by_task(record)) {
    for (size_t i = 0; i < figures.size(); ++i) {
      last = std::max(last, record.last(figures[i])->step);
      Markup row;
      if (i == 0)
        row =
            element("th", {{"scope", "rowgroup"}, {"rowspan", std::to_string(figures.size())}, {"id", "task-" + task}},
                    text(task.empty() ? "all" : task));
      rows += element("tr", row + metric_cells(record, figures[i]));
    }
  }
  if (rows.empty()) return rows;
  const std::string best =
      record.state && record.state->best ? fmt::format("best, step {}", record.state->best->step) : "best";
  return table_of({"task", "metric", best, fmt::format("last, step {:.0f}", last)}, rows, 2);
}

// The tables of usam-eval's own page. A file that somebody else has written may lack anything.
Markup evaluation_of(const RunEvaluation& evaluation, const std::string& link) {
  Markup inside = heading("h3", evaluation.folder);
  try {
    inside += eval::html::headline_table(evaluation.metrics["tasks"], evaluation.has_page ? link : "") +
              eval::html::source_table(evaluation.metrics);
  } catch (const Json::exception&) {
    inside += element("p", {{"class", "wrong"}}, text("Its metrics.json is not complete."));
  }
  if (evaluation.has_page)
    inside += element("p", element("a", {{"href", link}}, text("Every task's worst answers, with their sounds")));
  return inside;
}

Markup usam_eval_of(const RunRecord& record, const std::string& folder) {
  Markup all;
  for (const RunEvaluation& evaluation : record.evaluations)
    all +=
        evaluation_of(evaluation, recipes::file_link(record.path + "/" + evaluation.folder + "/report.html", folder));
  return all;
}

}  // namespace

std::string render_run(const RunRecord& record, const std::string& folder) {
  std::vector<PageSection> sections = {{"Validation", "validation", evaluations_of(record)},
                                       {"usam-eval", "evaluations", usam_eval_of(record, folder)},
                                       {"Samples", "samples", samples_of(record)}};
  for (const ChartGroup& group : charts_of(record)) {
    sections.push_back(section_of(group));
    if (group.id == "losses") sections.back().inside = curve_note() + sections.back().inside;
    if (group.id == "experts") sections.back().inside = router_of(record) + sections.back().inside;
  }
  const std::vector<PageSection> others = {{"Time", "time", time_of(record)},
                                           {"Health", "health", health_of(record)},
                                           {"Config", "config", config_of(record)},
                                           {"Environment", "environment", environment_of(record)}};
  sections.insert(sections.end(), others.begin(), others.end());
  return render_sections(record.name, record.standing() + " · " + record.path, head_of(record), sections);
}

}  // namespace usam::inspect
