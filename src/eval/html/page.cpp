#include "src/eval/html/page.h"

#include "src/base/error.h"
#include "src/eval/html/cards.h"
#include "src/eval/html/document.h"
#include "src/eval/html/examples.h"
#include "src/eval/html/figures.h"
#include "src/eval/html/matrix.h"
#include "src/eval/html/tables.h"

namespace usam::eval::html {
namespace {

Markup navigation(const std::vector<TaskExamples>& tasks) {
  Markup links;
  for (const auto& task : tasks) links += element("a", {{"href", "#task-" + task.task}}, text(task.task));
  return element("nav", links);
}

const char* examples_title(Kind kind) {
  return kind == Kind::kLabel ? "Wrong answers first" : "Worst answers first";
}

Markup legend(Kind kind) {
  if (kind != Kind::kText) return {};
  const auto sample = [](const char* style, const char* words) {
    return element("span", {{"class", style}}, element("b", text(words)));
  };
  return element("p", {{"class", "note legend"}},
                 text("Above the reference, below the answer, both normalised: ") + sample("sub", "substituted") +
                     text(" ") + sample("del", "left out") + text(" ") + sample("ins", "put in"));
}

Markup cards_of(const TaskExamples& task, const Page& page, const std::vector<Hypothesis>& hypotheses) {
  Markup cards;
  for (const auto& example : task.worst) {
    const auto& h = hypotheses[example.index];
    const auto heard = page.heard.find(h.key);
    cards += card(h, example, task.kind, heard == page.heard.end() ? Heard{} : heard->second);
  }
  if (cards.empty()) return cards;
  return heading("h3", examples_title(task.kind)) + legend(task.kind) + element("div", {{"class", "cards"}}, cards);
}

Markup task_section(const TaskExamples& task, const Page& page, const std::vector<Hypothesis>& hypotheses) {
  const Json& metrics = page.report.at("tasks").at(task.task);
  Markup inside = heading("h2", task.task);
  inside += element("p", {{"class", "n"}}, text(count_text(metrics.value("n", int64_t{0})) + " samples"));
  inside += counts_line(metrics);
  if (metrics.contains("confusion")) inside += confusion_matrix(metrics["confusion"]);
  inside += tag_table(metrics);
  return element("section", {{"id", "task-" + task.task}}, inside + cards_of(task, page, hypotheses));
}

std::vector<std::pair<std::string, std::string>> foot_lines(const Page& page) {
  auto lines = page.origin;
  for (const auto& [name, value] : page.report.items()) {
    std::string words = name;
    for (char& c : words) c = c == '_' ? ' ' : c;
    if (value.is_string()) lines.emplace_back(words, value.get<std::string>());
    if (value.is_number()) lines.emplace_back(words, value.dump());
  }
  return lines;
}

}  // namespace

std::string render(const Page& page, const std::vector<Hypothesis>& hypotheses, const ScoreOptions& options) {
  const auto tasks = worst_examples(hypotheses, page.report.at("tasks"), options, page.examples);
  Markup body = top(page.title, page.subtitle);
  if (tasks.size() > 1) body += navigation(tasks);
  Markup all = element("section", {{"id", "all"}}, headline_table(page.report.at("tasks")));
  const auto sources = source_table(page.report);
  if (!sources.empty()) all += element("section", heading("h2", "By test set") + sources);
  for (const auto& task : tasks) all += task_section(task, page, hypotheses);
  body += element("main", all) + foot(foot_lines(page));
  return render(Document{page.title, body, "", ""});
}

}  // namespace usam::eval::html
