#pragma once
// Runs side by side.
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "tools/inspect/report/facts.h"
#include "tools/inspect/report/record.h"

namespace usam::inspect {

struct Comparison {
  // A line of a table: a cell for each run, empty where the run does not have it; whose is the best, where one is.
  struct Row {
    std::string name;
    std::vector<std::string> cells;
    std::vector<bool> is_best;
  };
  std::vector<RunRecord> records;
  std::vector<std::string> names;  // of the runs, no two the same
  std::vector<Row> facts, evaluations;
  std::vector<Row> keys;           // of the configs, those that are not the same everywhere
  std::vector<std::string> notes;  // what of the runs could not be read
};
Comparison compare_runs(std::vector<RunRecord> records);

// The tables as text.
void write_comparison(const Comparison& comparison, std::ostream& out);

}  // namespace usam::inspect
