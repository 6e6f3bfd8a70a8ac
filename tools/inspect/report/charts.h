#pragma once
// Which charts show a run.
#include <string>
#include <vector>

#include "tools/inspect/report/curves.h"
#include "tools/inspect/report/record.h"

namespace usam::inspect {

struct ChartGroup {
  std::string title, id;
  std::vector<Chart> charts;
};
// Losses, tasks, experts, optimizer, speed and memory of one run.
std::vector<ChartGroup> charts_of(const RunRecord& record);
// The figures that several runs have, with a curve for each run. `names`: what the runs are called.
std::vector<ChartGroup> charts_of(const std::vector<RunRecord>& records, const std::vector<std::string>& names);

}  // namespace usam::inspect
