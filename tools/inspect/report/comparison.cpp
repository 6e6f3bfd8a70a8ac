#include "tools/inspect/report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "src/text/unicode.h"

namespace usam::inspect {
namespace {

using Row = Comparison::Row;

// The runs' folders by name; by path where two have the same name.
std::vector<std::string> names_of(const std::vector<RunRecord>& records) {
  std::vector<std::string> names;
  for (const RunRecord& record : records) {
    const auto is_alike = [&](const RunRecord& other) { return other.name == record.name; };
    names.push_back(std::ranges::count_if(records, is_alike) == 1 ? record.name : record.path);
  }
  return names;
}

// Marks the best of the numbers, where they differ.
void mark_best(const std::vector<std::optional<Fact>>& facts, Row& row) {
  std::optional<double> best, worst;
  int better = 0;
  for (const auto& fact : facts) {
    if (!fact || !fact->number || fact->better == 0) continue;
    better = fact->better;
    best = best ? (better > 0 ? std::max(*best, *fact->number) : std::min(*best, *fact->number)) : fact->number;
    worst = worst ? (better > 0 ? std::min(*worst, *fact->number) : std::max(*worst, *fact->number)) : fact->number;
  }
  const bool is_decided = best && *best != *worst;
  for (const auto& fact : facts) row.is_best.push_back(is_decided && fact && fact->number == best);
}

template <class FactsOf>
std::vector<Row> rows_of(const std::vector<RunRecord>& records, FactsOf facts_of) {
  std::vector<std::vector<Fact>> all;
  std::vector<std::string> names;
  for (const RunRecord& record : records) {
    all.push_back(facts_of(record));
    for (const Fact& fact : all.back())
      if (std::ranges::find(names, fact.name) == names.end()) names.push_back(fact.name);
  }
  std::vector<Row> rows;
  for (const std::string& name : names) {
    Row row{name, {}, {}};
    std::vector<std::optional<Fact>> found;
    for (const auto& facts : all) {
      const auto fact = std::ranges::find(facts, name, &Fact::name);
      found.push_back(fact == facts.end() ? std::nullopt : std::optional(*fact));
      row.cells.push_back(found.back() ? found.back()->value : "");
    }
    mark_best(found, row);
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Row> differing_keys(const std::vector<RunRecord>& records) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const RunRecord& record : records)
    for (const auto& [key, ignored] : record.keys)
      if (seen.insert(key).second) names.push_back(key);
  std::vector<Row> rows;
  for (const std::string& name : names) {
    Row row{name, {}, std::vector<bool>(records.size(), false)};
    for (const RunRecord& record : records) row.cells.push_back(value_of(record.keys, name));
    const auto differs = [&](const std::string& cell) { return cell != row.cells.front(); };
    if (name != "run.dir" && std::ranges::any_of(row.cells, differs)) rows.push_back(std::move(row));
  }
  return rows;
}

void write_table(const std::string& title, const std::vector<std::string>& names, const std::vector<Row>& rows,
                 std::ostream& out) {
  const auto width_of = [](const std::string& cell) { return text::code_points(cell).size(); };
  std::vector<size_t> widths = {width_of(title)};
  for (const auto& name : names) widths.push_back(width_of(name));
  for (const Row& row : rows) {
    widths[0] = std::max(widths[0], width_of(row.name));
    for (size_t i = 0; i < row.cells.size(); ++i) widths[i + 1] = std::max(widths[i + 1], width_of(row.cells[i]) + 2);
  }
  const auto write = [&](const std::string& first, const std::vector<std::string>& cells) {
    std::string line = first + std::string(widths[0] - width_of(first), ' ');
    for (size_t i = 0; i < cells.size(); ++i)
      line += "  " + cells[i] + std::string(widths[i + 1] - width_of(cells[i]), ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  };
  write(title, names);
  for (const Row& row : rows) {
    std::vector<std::string> cells;
    for (size_t i = 0; i < row.cells.size(); ++i)
      cells.push_back((row.cells[i].empty() ? "-" : row.cells[i]) + (row.is_best[i] ? " *" : ""));
    write(row.name, cells);
  }
}

}  // namespace

Comparison compare_runs(std::vector<RunRecord> records) {
  Comparison comparison;
  comparison.names = names_of(records);
  comparison.facts = rows_of(records, run_facts);
  comparison.evaluations = rows_of(records, evaluation_facts);
  comparison.keys = differing_keys(records);
  for (const RunRecord& record : records)
    comparison.notes.insert(comparison.notes.end(), record.notes.begin(), record.notes.end());
  comparison.records = std::move(records);
  return comparison;
}

void write_comparison(const Comparison& comparison, std::ostream& out) {
  write_table("run", comparison.names, comparison.facts, out);
  if (!comparison.evaluations.empty()) {
    out << "\n";
    write_table("validation, at the best checkpoint", comparison.names, comparison.evaluations, out);
  }
  out << "* the best of the runs\n\n";
  if (comparison.keys.empty()) {
    out << "The configs are the same, run.dir aside.\n";
  } else {
    write_table("config", comparison.names, comparison.keys, out);
  }
  for (const std::string& note : comparison.notes) out << "note: " << note << "\n";
}

}  // namespace usam::inspect
